"""The objects of a bucket that a source is, which nobody may change while they are read."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from server.errors import UserError
from server.storage.google_cloud import SCHEME
from stages.sources.bucket import Object, objects

FILE = "objects.csv"
COLUMNS = ("object", "generation", "bytes")


@contextmanager
def unchanged(source: str) -> Iterator[list[Object]]:
    """Yield the objects of a source, none where that is no bucket.

    Raises `UserError` where others, or other generations of them, are there at the end: DVC looks
    at the bucket after the stage, and what it writes into dvc.lock must be what was read.
    """
    before = list(_listed(source))
    yield before
    changed = {*before} ^ {*_listed(source)}
    if changed:
        raise UserError(
            f"{min(changed).address}: changed while it was read; run again when nobody writes there"
        )


def write_objects(listed: Sequence[Object], folder: Path) -> None:
    """Write which generation of which object was read, if any was."""
    if not listed:
        return
    with (folder / FILE).open("w", encoding="utf-8", newline="") as output:
        writer = csv.writer(output, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((found.address, found.generation, found.size) for found in listed)


def _listed(source: str) -> Iterator[Object]:
    return objects(source) if source.startswith(SCHEME) else iter(())
