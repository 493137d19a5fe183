"""What a setting's text becomes; each cast's name says what the text must be."""

from collections.abc import Callable

from starlette.datastructures import CommaSeparatedStrings

from server.model.policy import ProviderPolicy
from server.storage.google_cloud import SCHEME


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a cast to a whole number between `least` and `most`."""

    def cast(value: str) -> int:
        number = int(value)
        if not least <= number <= most:
            raise ValueError
        return number

    cast.__name__ = f"whole number from {least:,} to {most:,}"
    return cast


def seconds(value: str) -> float:
    """Cast to a time above 0 and below a day."""
    number = float(value)
    if not 0 < number < 86_400:  # noqa: PLR2004
        raise ValueError
    return number


seconds.__name__ = "number of seconds"


def share(value: str) -> float:
    """Cast to a number between 0.001 and 0.5."""
    number = float(value)
    if not 0.001 <= number <= 0.5:  # noqa: PLR2004
        raise ValueError
    return number


share.__name__ = "share from 0.001 to 0.5"


def words(value: str) -> tuple[str, ...]:
    """Cast what commas divide."""
    return tuple(word for word in CommaSeparatedStrings(value) if word)


words.__name__ = "list with commas"


def location(value: str) -> str:
    """Cast to a path or an object of a bucket."""
    if "://" in value and not value.startswith(SCHEME):
        raise ValueError
    return value


location.__name__ = f"path, and no {SCHEME}bucket/object"


def digest(value: str) -> str:
    """Cast to a SHA-256."""
    if len(bytes.fromhex(value)) != 32:  # noqa: PLR2004
        raise ValueError
    return value.lower()


digest.__name__ = "SHA-256 in 64 hexadecimal digits"


def switch(value: str) -> bool:
    """Cast `on` or `off`."""
    return {"on": True, "off": False}[value]


switch.__name__ = "on or off"


def policy(value: str) -> ProviderPolicy:
    """Cast to a policy."""
    return ProviderPolicy(value)


policy.__name__ = f"one of {', '.join(ProviderPolicy)}"
