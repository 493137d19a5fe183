"""Abstention in words: how many images a model answers, and how many of the answers are right."""


def coverage_in_words(coverage: float, precision: float) -> str:
    """Return what a model does, of the shares that are answered and, of those, right."""
    if not coverage:
        return "abstains on every image"
    answered = "every image" if coverage == 1 else f"{coverage:.1%}"
    return f"answers {answered}, {precision:.1%} of the answers are right"
