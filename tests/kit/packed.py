"""Packed sources, written as others write them: by tarfile, zipfile and pyarrow.

A member is `name`, `name=text` or `name->target`, a link.
"""

import gzip
import io
import json
import tarfile
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

LINK = 0o120777 << 16


def write_tar(path: Path, members: Sequence[str], how: str = "") -> Path:
    """Write a tar; `how`: `cut` in its middle, `without end` mark, or `by gzip`."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for member in members:
            name, _, target = member.partition("->")
            name, _, text = name.partition("=")
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            if target:
                entry.type, entry.linkname = tarfile.SYMTYPE, target
            elif name.endswith("/"):
                entry.type = tarfile.DIRTYPE
            tar.addfile(entry, io.BytesIO(text.encode()))
        end = tar.offset
    content = data.getvalue()
    changed = {
        "": content,
        "cut": content[: end // 2 + 100],
        "without end": content[:end],
        "by gzip": gzip.compress(content),
    }
    path.write_bytes(changed[how])
    return path


def write_zip(path: Path, members: Sequence[str], how: str = "") -> Path:
    """Write a zip; `how`: `cut` in its middle, or the number of a method of compression."""
    with zipfile.ZipFile(path, "w", int(how) if how.isdigit() else zipfile.ZIP_DEFLATED) as file:
        for member in members:
            name, _, target = member.partition("->")
            name, _, text = name.partition("=")
            entry = zipfile.ZipInfo(name)
            entry.compress_type = file.compression
            if target:
                entry.external_attr = LINK
            with warnings.catch_warnings(action="ignore"):  # some members are there twice
                file.writestr(entry, target or text)
    if how == "cut":
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
    return path


def write_parquet(path: Path, labels: Sequence[str], how: str = "") -> Path:
    """Write a row a label, with an empty image; `how`: the names of a ClassLabel, by commas."""
    write_rows(path, [b""] * len(labels), labels, classes=how.split(",") if how else [])
    return path


def write_rows(
    path: Path,
    images: Sequence[bytes | None],
    labels: Sequence[str],
    *,
    classes: Sequence[str] = (),
    column: str = "image",
    row_group: int = 100,
) -> Path:
    """Write images as `datasets` does; labels are indices where there are `classes`."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [{"bytes": image, "path": None} for image in images]
    said = pa.array([int(label) for label in labels]) if classes else pa.array(list(labels))
    table = pa.table({column: pa.array(rows, kind), "label": said})
    if classes:
        features = {"label": {"names": list(classes), "_type": "ClassLabel"}}
        card = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": card})
    pq.write_table(table, path, row_group_size=row_group)
    return path
