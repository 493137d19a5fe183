"""Parameters that are `auto`: what the data set suggests for them, else what suits photographs."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from server.errors import UserError
from stages.augmentation.geometry import Flip, Turns

AUTO = "auto"
CHOICES: dict[str, type[StrEnum]] = {"flip": Flip, "turns": Turns}
PHOTOGRAPHS = {"flip": Flip.HORIZONTAL, "turns": Turns.NONE}


def resolve(options: Mapping[str, Any], suggestions: Mapping[str, Any]) -> dict[str, Any]:
    """Return `options`, the parameters of `train`, without any `auto`; or raise `UserError`.

    suggestions: what the descriptor of the data set suggests, by the names of parameters.
    """
    if unknown := sorted(set(suggestions) - set(PHOTOGRAPHS)):
        raise UserError(
            f"the data set suggests train.{unknown[0]}, which is never auto; only "
            f"{', '.join(PHOTOGRAPHS)} can be suggested: mend its descriptor"
        )
    resolved = dict(options)
    for name, usual in PHOTOGRAPHS.items():
        value = str(suggestions.get(name, usual))
        if options[name] == AUTO:
            allowed = [choice.value for choice in CHOICES[name] if choice != AUTO]
            if value not in allowed:
                raise UserError(
                    f"train.{name}=auto: the data set suggests {value}, which is none of "
                    f"{', '.join(allowed)}; mend its descriptor, or set train.{name}"
                )
            resolved[name] = value
    return resolved


def resolved_lines(
    given: Mapping[str, Any], resolved: Mapping[str, Any], suggestions: Mapping[str, Any]
) -> Iterator[str]:
    """Yield a line for each `auto` among the parameters: what it stands for, and why."""
    for name in PHOTOGRAPHS:
        if given[name] == AUTO:
            why = "the data set suggests it" if name in suggestions else "suits photographs"
            yield f"{name}={resolved[name]}, for auto: {why}"
