"""The scaling of a network's inputs: mean and standard deviation of each colour."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from timm.data import resolve_model_data_config

from server.errors import UserError
from stages.network.matching import Match

AUTO = "auto"
OURS = "body."  # what the names of our own checkpoints begin with, beside `mean` and `std`
COLOURS = 3

Asked = str | float | Sequence[str | float]  # `auto`, one number, or one a colour


class Scaling(NamedTuple):
    """Of red, green and blue, for pixels of 0 to 1."""

    mean: list[float]
    std: list[float]


def scaling(body: Any, match: Match | None, *, mean: Asked, std: Asked) -> Scaling:
    """Return what is asked for, or raise `UserError`; what is `auto` is as the weights want it.

    body: timm knows what the weights of this architecture want, if nothing else does.
    match: weights from elsewhere; a checkpoint of ours holds its scaling.
    """
    known = resolve_model_data_config(body)
    wanted = Scaling(list(known["mean"]), list(known["std"]))
    if match and match.prefix == OURS and set(Scaling._fields) <= set(match.beside):
        wanted = Scaling(*(match.beside[name].flatten().tolist() for name in Scaling._fields))
    return Scaling(
        _numbers("mean", mean, wanted.mean, least=0.0), _numbers("std", std, wanted.std, least=1e-6)
    )


def _numbers(name: str, asked: Asked, wanted: list[float], *, least: float) -> list[float]:
    """Return a number a colour."""
    words = [asked] if isinstance(asked, str | float | int) else list(asked)
    if words == [AUTO]:
        return wanted
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, COLOURS) or not all(least <= one <= 1 for one in numbers):
        raise UserError(
            f"train.{name}={', '.join(map(str, words))}: must be {AUTO}, or one number or a list "
            f"of three, from {least:g} to 1; divide those for pixels of 0 to 255 by 255"
        )
    return numbers * (COLOURS // len(numbers))
