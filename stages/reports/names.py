"""Foreign names in a report: as code, and no longer than a table bears."""

from collections.abc import Collection

from stages.evaluation.markdown import MarkdownText, code

LONGEST = 60  # characters of a name; a path tells most by its end, so the middle is left out
SHOWN = 6  # names in a sentence


def short(value: object, *, longest: int = LONGEST) -> MarkdownText:
    """Return foreign text as code; of a long one beginning and end."""
    text = str(value)
    if len(text) > longest:
        text = f"{text[: longest // 3]}…{text[-(longest - longest // 3 - 1) :]}"
    return code(text)


def first_names(values: Collection[object]) -> MarkdownText:
    """Return the first names, and how many there are more."""
    listed = ", ".join(short(value) for value in list(values)[:SHOWN])
    more = f" and {len(values) - SHOWN:,} more" if len(values) > SHOWN else ""
    return MarkdownText(listed + more)


def counted(number: int, what: str, plural: str = "") -> str:
    """Return a number with its noun: 1 image, 2 images."""
    return f"{number:,} {what if number == 1 else plural or f'{what}s'}"
