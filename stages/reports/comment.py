"""A comment on GitHub: Markdown of bounded length, whatever it is about."""

from collections.abc import Sequence

LIMIT = 65_000  # bytes; a comment holds 65,536 characters, and no text has more of them than bytes
LEFT_OUT = "Left out, too long for a comment: `whole.md` beside this report has it."


def folded(summary: str, body: str) -> str:
    """Return Markdown that opens by a click; the summary is our own text."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def bounded(parts: Sequence[str], *, limit: int = LIMIT) -> str:
    """Return the parts one after the other; the longest give way to a line until all fit.

    The first stays: it is what the comment is for. Headings stay, too.
    """
    kept = list(parts)
    for index in sorted(range(1, len(kept)), key=lambda index: -len(parts[index].encode())):
        if len("\n\n".join(kept).encode()) < limit:
            break
        heading = parts[index].partition("\n")[0] if parts[index].startswith("#") else ""
        kept[index] = f"{heading}\n\n{LEFT_OUT}".strip()
    return "\n\n".join(kept) + "\n"
