"""Data sets of Hugging Face in Parquet: a column of images, each a struct of `bytes` and `path`.

https://huggingface.co/docs/hub/datasets-image
"""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from server.errors import UserError
from server.terminal import one_line
from stages.sources.columns import OF_IMAGE, find_columns, listing
from stages.sources.member import File, Kind, Member
from stages.sources.rows import image_column, open_parquet
from stages.sources.source_file import SourceFile

METADATA = b"huggingface"
NONE = -1  # index of a class that is not told


def row_images(shard: File, path: str, split: str, *, labelled: bool) -> Iterator[SourceFile]:
    """Yield the image of each row, numbered from 0 as everybody does.

    path: of the shard, before the numbers. labelled: whether labels are read; an image without one
    has none. Raises `UserError` for a file or label that cannot be used.
    """
    file = shard if isinstance(shard, Member) else Member(shard)
    try:
        with open_parquet(shard) as opened:
            schema = opened.schema_arrow
            places = _places(shard, schema) if labelled else {}
            names = {column: schema.names[place] for column, place in places.items()}
            classes = _classes(schema, names.get("label", ""))
            number = 0
            for group in range(opened.num_row_groups):
                table = opened.read_row_group(group, list(names.values()))
                said = {column: table[name].to_pylist() for column, name in names.items()}
                for row in range(opened.metadata.row_group(group).num_rows):
                    name = f"{number:06}"
                    member = file._replace(name=name, kind=Kind.ROW, start=group, length=row)
                    texts = {column: _text(values[row]) for column, values in said.items()}
                    if classes:
                        texts["label"] = _class(said["label"][row], classes, member)
                    yield SourceFile(file=member, path=f"{path}/{name}", split=split, **texts)
                    number += 1
    except (pa.ArrowException, ValueError) as error:
        raise UserError(f"{shard}: no Parquet that can be read ({one_line(error)})") from None


def holds_images(shard: File) -> bool:
    """Whether a Parquet file has a column of images; raise `UserError` where it is none."""
    try:
        with open_parquet(shard) as opened:
            return bool(image_column(opened.schema_arrow))
    except pa.ArrowException as error:
        raise UserError(f"{shard}: no Parquet that can be read ({one_line(error)})") from None


def _places(shard: File, schema: pa.Schema) -> dict[str, int]:
    places = find_columns(str(shard), schema.names, OF_IMAGE)
    if "label" not in places:
        raise UserError(
            f"{shard}: the columns are {listing(schema.names)}; needed is label beside "
            f"{image_column(schema)}"
        )
    return places


def _classes(schema: pa.Schema, label: str) -> list[str]:
    """Return the names of a `ClassLabel` in index order, none where labels are the names."""
    try:
        card = json.loads((schema.metadata or {}).get(METADATA, b"{}"))
        names = card["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return []
    return [str(name) for name in names]


def _class(index: Any, classes: list[str], member: Member) -> str:
    if index is None or index == NONE:
        return ""
    if not isinstance(index, int) or not 0 <= index < len(classes):
        raise UserError(f"{member}: its label is {index}, but there are {len(classes):,} classes")
    return classes[index]


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, (dict, list, bytes)) else str(value)
