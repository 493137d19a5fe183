"""Tables of labels as people save them: any separator, a byte order mark, UTF-16, or Parquet.

What is sure is taken. An encoding that bytes do not tell is not guessed: each of its readings
would give other names.
"""

import codecs
import csv
import io
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from server.errors import UserError
from server.terminal import one_line
from stages.sources.columns import NEEDED, NEEDS, find_columns, lacks, listing
from stages.sources.contents import open_file
from stages.sources.member import File

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# a mark of UTF-32 begins like one of UTF-16
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
ZIP = b"PK\x03\x04"
HEAD = 2**16  # bytes or letters that the beginning is looked for in
SAMPLE = 20  # rows that show what a column holds


def read_table(path: str, file: File) -> tuple[list[dict[str, str]], str]:
    """Return the rows of a table, and what was unusual in it; `path`: as complaints call it.

    The keys of a row are the documented names of the columns, its values text, empty where there is
    none. Raises `UserError`.
    """
    read = READERS.get(path.lower().rpartition(".")[2], _from_csv)
    try:
        with open_file(file) as opened:
            table, notes = read(path, opened)
    except (pa.ArrowException, csv.Error, OSError) as error:
        raise UserError(f"{path}: cannot be read ({one_line(error)})") from None
    if not len(table):
        raise UserError(f"{path}: no rows below the header")
    names = table.column_names
    columns = [map(_text, table[name].to_pylist()) for name in names]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return rows, ", ".join(notes)


def _from_csv(path: str, file: BinaryIO) -> tuple[pa.Table, list[str]]:
    text, encoding = _decoded(path, file.read())
    if not text.strip():
        raise UserError(f"{path}: empty; {NEEDS}")
    separator, header, places = _header(path, text)
    if len(_records(text, separator, 2)) == 1:
        raise UserError(f"{path}: no rows below the header")
    types = dict.fromkeys(header, pa.string())
    table = arrow_csv.read_csv(
        io.BytesIO(text.encode()),
        parse_options=arrow_csv.ParseOptions(
            delimiter=separator,
            newlines_in_values=True,  # a name may have one
        ),
        convert_options=arrow_csv.ConvertOptions(column_types=types, strings_can_be_null=False),
    )
    notes = [f"separated by {SEPARATORS[separator]}"] if separator != "," else []
    notes += [encoding] if encoding else []
    return _chosen(table, header, places), notes + _renamed(header, places)


def _from_parquet(path: str, file: BinaryIO) -> tuple[pa.Table, list[str]]:
    header = parquet.read_schema(file).names
    places = _needed(path, header, find_columns(path, header), [])
    table = parquet.read_table(file, columns=[header[place] for place in places.values()])
    for name in (header[places[column]] for column in NEEDED):
        kind = table.schema.field(name).type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise UserError(f"{path}: the column {name} holds {kind}; needed is text")
    return table.rename_columns(list(places)), _renamed(header, places)


def _from_json_lines(path: str, file: BinaryIO) -> tuple[pa.Table, list[str]]:
    text, _ = _decoded(path, file.read())
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(dict(json.loads(line)))
            except (ValueError, TypeError, RecursionError):
                raise UserError(f"{path}: line {number:,} is no object of JSON; mend it") from None
    header = list(dict.fromkeys(name for row in rows for name in row))
    places = _needed(path, header, find_columns(path, header), [])
    columns = [[_text(row.get(header[place])) for row in rows] for place in places.values()]
    return pa.table(columns, names=list(places)), _renamed(header, places)


def _decoded(path: str, data: bytes) -> tuple[str, str]:
    """Return the text of a file, and its encoding where that is not UTF-8 without a mark."""
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), "utf-8")
    cure = "save it as CSV in UTF-8"
    if data.startswith(ZIP):
        raise UserError(f"{path}: a ZIP archive or a workbook of a spreadsheet; {cure}")
    if encoding == "utf-8" and data[:HEAD].count(0) > len(data[:HEAD]) // 4:
        raise UserError(f"{path}: UTF-16 without a mark of its byte order; {cure}")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path}: line {line:,} is not {encoding.upper()} (byte 0x{data[error.start]:02x}), "
            f"perhaps Latin-1 or Windows-1252; {cure}"
        ) from None
    return text, encoding.upper() if encoding.startswith(("utf-16", "utf-32")) else ""


def _header(path: str, text: str) -> tuple[str, list[str], dict[str, int]]:
    """Return separator, header, and the places of its columns; raise `UserError` without these."""
    likely = max(SEPARATORS, key=text.partition("\n")[0].count)
    for separator in (likely, *SEPARATORS):
        header, *_ = _records(text, separator, 1)
        places = find_columns(path, header)
        if set(NEEDED) <= places.keys():
            return separator, header, places
    header, *rows = _records(text, likely, SAMPLE)
    return likely, header, _needed(path, header, find_columns(path, header), rows)


def _records(text: str, separator: str, count: int) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text[:HEAD], newline=""), delimiter=separator)
    filled: Iterator[list[str]] = (row for row in reader if row)
    return list(islice(filled, count)) or [[""]]


def _needed(
    path: str, header: Sequence[str], places: dict[str, int], rows: Sequence[Sequence[str]]
) -> dict[str, int]:
    if not set(NEEDED) <= places.keys():
        raise UserError(f"{path}: {lacks(header, places, rows)}")
    return places


def _chosen(table: pa.Table, header: Sequence[str], places: dict[str, int]) -> pa.Table:
    if len(header) != table.num_columns:  # two readers, two rules for quotes
        raise pa.ArrowInvalid(f"{table.num_columns} columns, {len(header)} in the header")
    columns = [table.column(place) for place in places.values()]
    return pa.table(columns, names=list(places))


def _renamed(header: Sequence[str], places: dict[str, int]) -> list[str]:
    """Tell which columns were taken for others, and which are not read."""
    taken = [
        f"{header[place].strip()} is the {column}"
        for column, place in places.items()
        if header[place].strip().lower() != column
    ]
    unread = [name for place, name in enumerate(header) if place not in places.values() and name]
    return [*taken, *([f"not read: {listing(unread)}"] if unread else [])]


def _text(value: Any) -> str:
    missing = value is None or value != value  # noqa: PLR0124 - NaN, where pandas had nothing
    return "" if missing else str(value)


READERS = {"parquet": _from_parquet, "jsonl": _from_json_lines}
