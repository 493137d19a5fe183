"""JSON files of stages, for programs and for diffs."""

import json
from pathlib import Path
from typing import Any

from server.atomic import whole
from server.errors import UserError


def write_json(path: Path, value: Any) -> None:
    """Write `value` so that equal values give equal bytes and a diff reads well.

    NaN and infinity are no JSON: `ValueError` where one is in it, and nothing is written.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    with whole(path) as draft:
        draft.write_text(f"{text}\n", encoding="utf-8")


def read_json(path: Path, *, stage: str) -> Any:
    """Return the values that `stage` has written to `path`, or raise `UserError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not there; run `dvc repro {stage}`") from None
