"""Parameters that are `auto`: what the data set suggests for them, else what suits photographs."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from server.errors import UserError
from stages.augmentation.geometry import Flip, Turns

AUTO = "auto"
LEAST = 0.05  # area of a crop


class Automatic(NamedTuple):
    """A parameter that may be `auto`: its usual value, how a word is read, and what it may say."""

    usual: str  # suits photographs
    read: Callable[[str], Any]  # ValueError where it is none of them
    allowed: str


def _area(word: str) -> float:
    if not LEAST <= float(word) <= 1:
        raise ValueError
    return float(word)


def _one_of(choices: type[StrEnum], usual: StrEnum) -> Automatic:
    words = [choice.value for choice in choices if choice != AUTO]
    return Automatic(usual.value, lambda word: words[words.index(word)], ", ".join(words))


AUTOMATIC = {
    "flip": _one_of(Flip, Flip.HORIZONTAL),
    "turns": _one_of(Turns, Turns.NONE),
    "scale": Automatic("0.8", _area, f"the numbers from {LEAST} to 1"),
}


def resolve(options: Mapping[str, Any], suggestions: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options`, the parameters of `train`, without any `auto`; or raise `UserError`.

    suggestions: what the descriptor of the data set suggests, by the names of parameters.
    """
    if unknown := sorted(set(suggestions) - set(AUTOMATIC)):
        raise UserError(
            f"the data set suggests train.{unknown[0]}, which is never auto; only "
            f"{', '.join(AUTOMATIC)} can be suggested: mend its descriptor"
        )
    resolved = dict(options)
    for name, (usual, read, allowed) in AUTOMATIC.items():
        given = str(options[name])
        word = str(suggestions.get(name, usual)) if given == AUTO else given
        try:
            resolved[name] = read(word)
        except ValueError:
            raise UserError(
                f"train.{name}=auto: the data set suggests {word}, which is none of {allowed}; "
                f"mend its descriptor, or set train.{name}"
                if given == AUTO
                else f"train.{name}={given}: must be auto, or one of {allowed}"
            ) from None
    return resolved


def resolved_lines(
    given: Mapping[str, Any], resolved: Mapping[str, Any], suggestions: Mapping[str, Any]
) -> Iterator[str]:
    """Yield a line for each `auto` among the parameters: what it stands for, and why."""
    for name in AUTOMATIC:
        if given[name] == AUTO:
            why = "the data set suggests it" if name in suggestions else "suits photographs"
            yield f"{name}={resolved[name]}, for auto: {why}"
