"""Markdown, as GitHub shows it: foreign text as code, and tables.

Foreign is what nobody here has written: names of classes, files and branches, values, messages. In
code GitHub sees neither markup nor mentions, references, commits, addresses, emoji and formulas.
"""

import re
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

from server.terminal import printable


class MarkdownText(str):
    """Text that is Markdown already."""

    __slots__ = ()


def code(value: object) -> MarkdownText:
    """Return foreign text as a code span that shows this very text (CommonMark 0.31, 6.1)."""
    text = printable(str(value))
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    room = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return MarkdownText(f"{fence}{room}{text}{room}{fence}" if text else "")


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; floats get three digits, text that is no `MarkdownText` is code.

    columns: Markdown.
    """
    cells = ([_cell(value) for value in row] for row in rows)
    lines = [columns, ["---"] * len(columns), *cells]
    # a pipe ends a cell, in code too, unless a backslash is before it
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _cell(value: Any) -> str:
    match value:
        case MarkdownText():
            return value
        case float():
            return f"{value:.3f}"
        case Integral():
            return str(value)
        case _:
            return code(value)
