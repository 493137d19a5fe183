"""`python -m server.snapshot`: copy the complete rows of the logs for the drift stage.

A log that is still written to is no dependency for DVC: rows that arrive while a stage runs would
count as judged. The snapshot is one file that nobody writes to any more.
"""

import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from server.atomic import whole
from server.drift.log_files import lines_of
from server.drift.rows import ACTUAL, SHADOW_OF
from server.errors import UserError
from server.settings import Settings

SNAPSHOT = Path("data/current/predictions.jsonl")


class Counts(NamedTuple):
    """How many rows there were of each kind."""

    predictions: int
    feedback: int
    torn: int


def snapshot(log: Path, target: Path) -> Counts:
    """Copy the rows of all files of `log` into `target`, but those of a shadow, and count them.

    A line without its end, and one that is no JSON object, is torn: its process was killed, or its
    disk was full. Raises `UserError` where there is no prediction; `target` stays as it was then.
    """
    predictions = feedback = torn = 0
    with whole(target) as draft:
        with draft.open("wb") as output:
            for file in filter(Path.is_file, sorted(log.glob("*.jsonl"))):
                for line in lines_of(file):
                    if (row := _complete(line)) is not None:
                        if SHADOW_OF in row:
                            continue
                        feedback += ACTUAL in row
                        predictions += ACTUAL not in row
                        output.write(line)
                    else:
                        torn += bool(line.strip())
        if not predictions:
            problem = "no predictions there; `make serve`, and ask it something first"
            raise UserError(f"{log}: {problem}")
    return Counts(predictions, feedback, torn)


def _complete(line: bytes) -> dict[str, Any] | None:
    """Return the row of a line; None of one that is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None


def main() -> int:
    """Take the snapshot of the log that the settings name."""
    try:
        counts = snapshot(Path(Settings.read(os.environ).prediction_log), SNAPSHOT)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename or SNAPSHOT}: {error.strerror}", file=sys.stderr)
        return 2
    said = f" and what visitors said of {counts.feedback:,}" if counts.feedback else ""
    torn = f"{counts.torn:,} torn lines left out"
    print(f"snapshot-log: {counts.predictions:,} predictions{said} in {SNAPSHOT}, {torn}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
