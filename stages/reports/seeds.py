"""Both sides of a comparison trained again with other seeds, in pairs, to tell change from chance.

Two trainings of one recipe differ by their seed. The difference of two revisions is beyond that
where it shows in pairs of trainings that share a seed (a paired t-test).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from server.errors import UserError
from stages.evaluation.bootstrap import LEVEL
from stages.evaluation.markdown import MarkdownText, markdown_table
from stages.reports.answers import PREDICTIONS, PROBABILITY, Answers, Pairs
from stages.reports.copies import PARAMS, checkout, repeat
from stages.reports.revision import Revision


@dataclass(frozen=True)
class Repeat:
    """Accuracies of two trainings that share a seed, on the images that both answered."""

    seed: int
    before: float
    after: float


def beyond_seeds(base: Revision, head: Revision, count: int) -> Iterator[str]:
    """Yield a sentence and a table; trains 2 * `count` times, or raises `UserError`."""
    repeats = train_again(base, head, count)
    yield f"**{sentence(repeats)}**"
    rows = [(MarkdownText(str(each.seed)), each.before, each.after) for each in repeats]
    yield markdown_table(("train.seed", "accuracy before", "after"), rows)


def train_again(base: Revision, head: Revision, count: int) -> list[Repeat]:
    """Run prepare to evaluate of both sides with `count` seeds that neither has used."""
    first = 1 + max(_seed(revision) for revision in (base, head))
    repeats = []
    with checkout(base) as before, checkout(head) as after:
        for number, seed in enumerate(range(first, first + count), start=1):
            print(f"report: pair {number} of {count}, train.seed={seed}", flush=True)
            for folder in (before, after):
                repeat(folder, seed=seed)
            repeats.append(_compared(seed, before, after))
    return repeats


def sentence(repeats: Sequence[Repeat]) -> str:
    """Say whether the difference is beyond what seeds do, by a paired t-interval."""
    gains = 100 * np.array([each.after - each.before for each in repeats])
    mean = float(gains.mean())
    way, agree = ("worse", (gains < 0).sum()) if mean < 0 else ("better", (gains > 0).sum())
    found = (
        f"{way} in {agree:,} of {len(gains):,} pairs of trainings with other seeds, by "
        f"{mean:+.1f} points in the mean"
    )
    if len(gains) == 1:
        return f"Beyond seeds or not, one pair cannot say: {found}."
    low, high = _interval(gains)
    beyond = "Beyond" if low > 0 or high < 0 else "Not shown to be beyond"
    return f"{beyond} seeds: {found}, 95 % interval {low:+.1f} to {high:+.1f}."


def _interval(gains: "np.typing.NDArray[np.float64]") -> tuple[float, float]:
    """Return the interval of the mean (Student 1908)."""
    from scipy.stats import t

    half = float(t.ppf((1 + LEVEL) / 2, len(gains) - 1)) * gains.std(ddof=1) / len(gains) ** 0.5
    return float(gains.mean() - half), float(gains.mean() + half)


def _seed(revision: Revision) -> int:
    seed = revision.yaml(PARAMS).get("train", {}).get("seed")
    if not isinstance(seed, int):
        raise UserError(f"{revision.label}: {PARAMS} has no train.seed, so no other can be tried")
    return seed


def _compared(seed: int, before: Path, after: Path) -> Repeat:
    pairs = Pairs(_answers(before), _answers(after))
    if pairs.both.empty:
        raise UserError("--seeds: the two sides have no test image in common to be compared on")
    return Repeat(seed, *(float(pairs.right(when).mean()) for when in ("before", "after")))


def _answers(folder: Path) -> Answers:
    table = pd.read_csv(
        folder / PREDICTIONS,
        usecols=lambda name: not name.startswith(PROBABILITY),
        keep_default_na=False,
        dtype=str,
    )
    return Answers.of(table)
