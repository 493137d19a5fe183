"""How long trainings took on this machine, each known by its results.

Seconds differ from run to run, so they are no output, and the copy in which a queued experiment ran
is thrown away. They are kept in the main checkout, under the hash of metrics/train.json, which no
other training has byte for byte.
"""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

SECONDS = ".dvc/tmp/seconds"


def keep_seconds(metrics: bytes, seconds: float) -> None:
    """Keep the time of the training that has these metrics, where there is a place for it."""
    with suppress(OSError):  # a table with a dash is no reason to lose a training
        file = _file(metrics)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(round(seconds, 1)))


def seconds_of(metrics: bytes | None) -> float | None:
    """Return the time of the training that has these metrics, where it was here."""
    try:
        return float(json.loads(_file(metrics or b"").read_text()))
    except (OSError, ValueError):
        return None


def _file(metrics: bytes) -> Path:
    root = os.environ.get("DVC_ROOT", ".")  # DVC sets it in the copies of experiments, too
    return Path(root, SECONDS, hashlib.sha256(metrics).hexdigest()[:32])
