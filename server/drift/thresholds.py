"""How far apart two samples of the same images may be: thresholds by resampling the reference.

Under "nothing has changed" reference and current rows come from one population, of which the
reference is the best picture there is. So both are drawn anew from the reference, with replacement
and at their true sizes, again and again (a two-sample bootstrap: Efron and Tibshirani 1993, "An
introduction to the bootstrap", chapter 16). The threshold of each column is its distance at one
and the same rank, the highest at which any column at all alarms in the wanted share of the draws:
columns that move together, as brightness and contrast do, are not counted twice.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from server.drift.rows import Column, Columns

DRAWS = 2000
CHUNK = 50  # draws at once, so that memory does not grow with them
LARGEST = 5_000  # rows of the reference that are drawn from; the sizes stay true
SEED = 0

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """Two samples of the same images that are as far apart as chance allows."""

    reference: Column
    current: Column


def calibrate(reference: Columns, *, size: int, rate: float) -> dict[str, Allowed]:
    """Return for each column two draws of `len(reference)` and of `size` rows at the threshold.

    Columns without missing values. `rate`: the share of draws in which any column alarms, that is
    in which its distance is larger than that of its two draws.
    """
    populations = _populations(reference)
    sizes = (len(next(iter(reference.values()))), size)
    seen = np.concatenate(
        [_distances_of(chunk, populations, sizes) for chunk in range(DRAWS // CHUNK)]
    )
    chosen = _at_rate(seen, rate)
    return {
        name: _redraw(population, sizes, int(number))
        for (name, population), number in zip(populations.items(), chosen, strict=True)
    }


def distances(population: Column, reference: Counts, current: Counts) -> Floats:
    """Return the distance of two samples, draw by draw.

    population: the values that were drawn from, `[n]`; counts: how often each, `int64 [draws, n]`.
    Numbers: Kolmogorov-Smirnov's, the largest difference of the distributions. Classes:
    Jensen-Shannon's, of the shares of each class.
    """
    if population.dtype == object:
        names = np.unique(population.astype(str))
        of_class = (population.astype(str)[:, None] == names).astype(np.int64)
        return _jensen_shannon(reference @ of_class, current @ of_class)
    order = np.argsort(population, kind="stable")
    ordered = population[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    first, second = (counts[:, order].cumsum(axis=1)[:, ends] for counts in (reference, current))
    sizes = int(first[0, -1]), int(second[0, -1])
    # in whole numbers, so that equal distances are equal
    gaps = np.abs(first * sizes[1] - second * sizes[0]).max(axis=1)
    furthest: Floats = gaps / (sizes[0] * sizes[1])
    return furthest


def _jensen_shannon(first: Counts, second: Counts) -> Floats:
    p, q = (counts / counts.sum(axis=1, keepdims=True) for counts in (first, second))
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(share > 0, share * np.log(share / middle), 0) for share in (p, q)]
    divergence = (parts[0].sum(axis=1) + parts[1].sum(axis=1)) / 2
    rounded: Floats = np.round(np.sqrt(np.maximum(divergence, 0)), 12)
    return rounded


def _populations(reference: Columns) -> Columns:
    """Return what is drawn from.

    A column of one value would forbid every other. That n images have none does not say that the
    next has none: so one that was not seen is put beside them.
    """
    count = len(next(iter(reference.values())))
    if count > LARGEST:
        rows = np.sort(np.random.default_rng(SEED).choice(count, LARGEST, replace=False))
        reference = {name: values[rows] for name, values in reference.items()}
    return {
        name: np.append(values, np.array([_other(values[0])], dtype=values.dtype))
        if (values == values[0]).all()
        else values
        for name, values in reference.items()
    }


def _other(value: Any) -> Any:
    return f"not {value}" if isinstance(value, str) else value + 1


def _draw(chunk: int, values: int, sizes: tuple[int, int]) -> tuple[Counts, Counts]:
    """Return a chunk of the draws of reference and of current rows, always the same."""
    random = np.random.default_rng([SEED, chunk])
    return _counts(random, values, sizes[0]), _counts(random, values, sizes[1])


def _distances_of(chunk: int, populations: Columns, sizes: tuple[int, int]) -> Floats:
    """Return the distances `[draws, columns]`; a draw takes the same rows of all columns."""
    lengths = {len(population) for population in populations.values()}
    draws = {length: _draw(chunk, length, sizes) for length in lengths}
    columns = [distances(values, *draws[len(values)]) for values in populations.values()]
    return np.stack(columns, axis=1)


def _counts(random: np.random.Generator, values: int, size: int) -> Counts:
    """Return how often each of `values` was drawn in each of a chunk of draws of `size`."""
    if size > 4 * values:
        drawn: Counts = random.multinomial(size, np.full(values, 1 / values), size=CHUNK)
        return drawn
    return np.stack(
        [np.bincount(random.integers(values, size=size), minlength=values) for _ in range(CHUNK)]
    ).astype(np.int64)


def _at_rate(seen: Floats, rate: float) -> npt.NDArray[np.int64]:
    """Return for each column the draw at its threshold; `seen`: distances `[draws, columns]`."""
    ordered = np.sort(seen, axis=0)
    # how many draws are as far as this one, in the column where it stands out most
    columns = range(seen.shape[1])
    rarity = np.stack(
        [len(seen) - np.searchsorted(ordered[:, c], seen[:, c], side="left") for c in columns]
    ).min(axis=0)
    rank = max(1, int(np.sort(rarity)[int(rate * len(seen))]))
    return np.array([np.flatnonzero(seen[:, c] == ordered[-rank, c])[0] for c in columns])


def _redraw(population: Column, sizes: tuple[int, int], number: int) -> Allowed:
    """Return the samples of a draw."""
    chunk, index = divmod(number, CHUNK)
    reference, current = _draw(chunk, len(population), sizes)
    return Allowed(
        reference=np.repeat(population, reference[index]),
        current=np.repeat(population, current[index]),
    )
