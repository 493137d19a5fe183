"""A page of drift: what was judged, above what Evidently draws."""

from collections.abc import Iterable
from html import escape

EMPTY = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Drift</title>
<body>
</body>
</html>
"""
STYLE = "font: 14px/1.5 sans-serif; margin: 24px; overflow-wrap: anywhere"


def headed(page: str, lines: Iterable[str]) -> str:
    """Return a page of HTML with `lines` of text at its top."""
    items = "".join(f"<li>{escape(line)}</li>\n" for line in lines)
    return page.replace("<body>", f'<body>\n<ul style="{STYLE}">\n{items}</ul>', 1)
