"""Atomic outputs: a file or folder is there only when it is whole."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from server.errors import UserError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write a file or folder to; it takes its place on success.

    On an error it is removed; what a killed run left behind is removed by the next one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    _remove(draft)
    try:
        yield draft
        _remove(path)
        draft.replace(path)
    finally:
        _remove(draft)


def write_json(path: Path, value: Any) -> None:
    """Write `value` so that equal values give equal bytes and a diff reads well."""
    with whole(path) as draft:
        draft.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path, *, stage: str) -> Any:
    """Return the values that `stage` has written to `path`, or raise `UserError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not there; run `dvc repro {stage}`") from None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
