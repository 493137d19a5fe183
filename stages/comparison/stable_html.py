"""Reproducible HTML: bytes that depend on the content alone."""

import re

# Evidently names each report and widget by a new random number
RANDOM = re.compile(r"(?<=metric_)[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def stable(page: str) -> str:
    """Replace each random identifier, everywhere alike, by its place in the order of appearance.

    What takes its place is a name in JavaScript too, which some of them are.
    """
    seen: dict[str, str] = {}
    return RANDOM.sub(lambda found: seen.setdefault(found[0], f"id{len(seen)}"), page)
