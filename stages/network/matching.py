"""Matching of foreign weights to an architecture: by their names, or by order and shape alone."""

import sys
import warnings
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from server.errors import UserError
from stages.network.weight_files import StateDict, state_dicts

COUNTER = "num_batches_tracked"  # of a batch norm; older torch had none, and no inference needs it
SHOWN = 3  # names of tensors in an error


class WeightsMatch(StrEnum):
    """What says which tensor of a file is which of the architecture."""

    NAMES = "names"
    ORDER = "order"  # the order in the file; equal shapes prove nothing


class Match(NamedTuple):
    """The tensors of a file under the names that the architecture has for them.

    strangers: what is missing, then what has another name or shape. where: in the file. prefix:
    what the names began with there; beside: those that did not.
    """

    state: StateDict
    strangers: list[str]
    where: str = ""
    prefix: str = ""
    beside: StateDict = {}  # noqa: RUF012 - never written to


def match_file(body: Any, path: Path, how: WeightsMatch) -> Match:
    """Return the weights in a file for an architecture, or raise `UserError`."""
    candidates = state_dicts(path)
    named, ordered = by_names(body, candidates), by_order(body, candidates)
    match = ordered if how is WeightsMatch.ORDER else named
    if ordered and match and match.strangers:
        raise UserError(
            f"train.weights={path}: its tensors have the order and shapes of this architecture's, "
            f"but other names ({named.strangers[-1]} ...), and equal shapes prove nothing; set "
            "train.weights_match=order if you know that they are its weights"
        )
    if not match or match.strangers:
        shown = ", ".join(named.strangers[:SHOWN])
        raise UserError(
            f"train.weights={path}: weights of another architecture ({len(named.strangers)} "
            f"tensors are missing or others: {shown} ...); set train.architecture to theirs"
        )
    if broken := not_finite(match.state):
        raise UserError(f"train.weights={path}: no finite numbers ({broken}); take another file")
    return match


def by_names(body: Any, candidates: list[tuple[str, StateDict]]) -> Match:
    """Return the best match of names, less the prefix that wrappers gave to all of them.

    Where shapes differ timm may know the cure: it resamples embeddings of position for an image of
    another size, and renames what the authors of a network called otherwise.
    """
    matches = []
    for where, state in candidates:
        prefix = _prefix(state, body.state_dict())
        within = {name: one for name, one in state.items() if name.startswith(prefix)}
        beside = {name: one for name, one in state.items() if name not in within}
        stripped = {name.removeprefix(prefix): one for name, one in within.items()}
        for renamed in (stripped, _by_timm(body, stripped)):
            strangers = _strangers(body, renamed)
            matches.append(Match(renamed, strangers, where, prefix, beside))
            if not strangers:
                return matches[-1]
    return min(matches, key=lambda match: len(match.strangers))


def by_order(body: Any, candidates: list[tuple[str, StateDict]]) -> Match | None:
    """Return the first of `candidates` whose tensors have the order and shapes of the architecture.

    The head may have another size, or be missing.
    """
    own = {name: one for name, one in body.state_dict().items() if not _counts(one)}
    headless = {name: one for name, one in own.items() if not name.startswith(heads(body))}
    for where, state in candidates:
        tensors = [tensor for tensor in state.values() if not _counts(tensor)]
        for names in (own, headless):
            if len(tensors) != len(names):
                continue
            renamed = dict(zip(names, tensors, strict=True))
            if not _strangers(body, renamed):
                return Match(renamed, [], where)
    return None


def fill(body: Any, match: Match) -> None:
    """Load what matches; a head of another size, or that is missing, stays as it is."""
    own = body.state_dict()
    fitting = {name: one for name, one in match.state.items() if _fits(own.get(name), one)}
    body.load_state_dict(fitting, strict=False)


def not_finite(state: Mapping[str, Tensor]) -> str:
    """Return which tensors hold NaN or infinity, in words; "" where none does."""
    floating = {name: one for name, one in state.items() if one.is_floating_point()}
    names = [name for name, one in floating.items() if not one.float().isfinite().all()]
    return f"{names[0]}, {len(names):,} of {len(state):,} tensors" if names else ""


def heads(body: Any) -> tuple[str, ...]:
    """Return what the names of the head's tensors begin with; some networks have two."""
    named = body.pretrained_cfg.get("classifier") or "head"
    return tuple(f"{name}." for name in ([named] if isinstance(named, str) else named))


def _prefix(state: StateDict, own: Mapping[str, Tensor]) -> str:
    """Return the beginning of most names that are own names but for it: `module.`, `_orig_mod.`."""
    counts = Counter[str]()
    for name in state:
        parts = name.split(".")
        for start in range(len(parts)):
            if ".".join(parts[start:]) in own:
                counts["".join(f"{part}." for part in parts[:start])] += 1
    return counts.most_common(1)[0][0] if counts else ""


def _strangers(body: Any, state: StateDict) -> list[str]:
    """Return the names that keep `state` from being the weights of `body`, its head left aside."""
    own = body.state_dict()
    head = heads(body)
    missing = [
        name
        for name in own
        if name not in state and not name.startswith(head) and not name.endswith(COUNTER)
    ]
    foreign = [
        name
        for name, tensor in state.items()
        if not _fits(own.get(name), tensor)
        and not name.startswith(head)
        and not name.endswith(COUNTER)
    ]
    return missing + foreign


def _fits(own: Tensor | None, tensor: Tensor) -> bool:
    return (
        own is not None
        and own.shape == tensor.shape
        and own.is_floating_point() == tensor.is_floating_point()
    )


def _counts(tensor: Tensor) -> bool:
    """Whether it is the count of a batch norm, whatever its name."""
    return tensor.ndim == 0 and not tensor.is_floating_point()


def _by_timm(body: Any, state: StateDict) -> StateDict:
    """Return `state` as timm adapts what it loads itself, or as it was."""
    adapt = getattr(sys.modules[type(body).__module__], "checkpoint_filter_fn", None)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on its own code
            adapted = adapt(dict(state), body) if adapt else state
    except Exception:  # written for certain files, so that others may raise anything
        return state
    return {name: tensor for name, tensor in adapted.items() if isinstance(tensor, Tensor)}
