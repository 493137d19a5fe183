"""Options on bad images and leaks; apart, so that `--help` imports no NumPy."""

from enum import StrEnum


class OnBadImage(StrEnum):
    """What to do about a file that cannot be used as an image."""

    ERROR = "error"
    SKIP = "skip"


class OnLeak(StrEnum):
    """What to do where splits that came with the source share pictures."""

    DROP = "drop"
    ERROR = "error"
    KEEP = "keep"
