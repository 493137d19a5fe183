"""`python -m server.snapshot`: copy the complete rows of the prediction log for the drift stage.

A log that is still written to is no dependency for DVC: rows that arrive while a stage runs would
count as judged. The snapshot is one file that nobody writes to any more.
"""

import os
import sys
from pathlib import Path

import orjson

from server.atomic import whole
from server.drift.log_files import lines_of
from server.errors import UserError
from server.settings import Settings

SNAPSHOT = Path("data/current/predictions.jsonl")


def snapshot(log: Path, target: Path) -> tuple[int, int]:
    """Copy the rows of all files of `log` into `target`; return how many, and how many were torn.

    A line without its end, and one that is no JSON object, is torn: its process was killed, or its
    disk was full. Raises `UserError` where there is no row; `target` stays as it was then.
    """
    rows = torn = 0
    with whole(target) as draft:
        with draft.open("wb") as output:
            for file in filter(Path.is_file, sorted(log.glob("*.jsonl"))):
                for line in lines_of(file):
                    if _complete(line):
                        rows += 1
                        output.write(line)
                    else:
                        torn += bool(line.strip())
        if not rows:
            problem = "no predictions there; `make serve`, and ask it something first"
            raise UserError(f"{log}: {problem}")
    return rows, torn


def _complete(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def main() -> int:
    """Take the snapshot of the log that the settings name."""
    try:
        rows, torn = snapshot(Path(Settings.read(os.environ).prediction_log), SNAPSHOT)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename or SNAPSHOT}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"snapshot-log: {rows:,} predictions in {SNAPSHOT}, {torn:,} torn lines left out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
