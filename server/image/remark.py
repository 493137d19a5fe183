"""What is odd about a picture that is read all the same; a data set is warned of it."""

from enum import StrEnum


class Remark(StrEnum):
    """A reason for a second look."""

    PROFILE = "profile"  # its colour profile cannot be used, so its colours are taken as sRGB
    RANGE = "range"  # samples of 16 bits, of whose range it uses less than an eighth
