"""The card of a model with any number of classes."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from stages.data.dataset import Split
from stages.evaluation.metrics import evaluation_metrics
from stages.evaluation.model_card import Source, model_card, print_results
from tests.kit.artefact import METADATA


def card(count: int, source: Source, groups: int = 0) -> str:
    """Judge classes by two images each, which belong together in the first `groups` of them."""
    names = [f"class {number:04}" for number in range(count)]
    metadata = replace(METADATA, classes=names, data_hash="a" * 64)
    columns = {
        "class": np.repeat(names, 2),
        "slice": [""] * 2 * count,
        "group": [f"g{number // 2}" if number < 2 * groups else "" for number in range(2 * count)],
    }
    split = Split(source.name, names, pa.table(columns))  # type: ignore[arg-type]
    probabilities = np.random.default_rng(0).dirichlet(np.ones(count), 2 * count)
    figures = evaluation_metrics(metadata, split, probabilities)
    return model_card(metadata, {"model": "m", **figures, "robustness": {"blur": 0.5}}, source)


@pytest.mark.parametrize("count", [2, 30, 60])
def test_a_card_of_many_classes_stays_short_and_counts_them_all(
    count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {
        **{split: {f"class {n:04}": 2 for n in range(count)} for split in ("train", "val", "test")},
        "groups": {"images": 0, "count": 0, "largest": 0, "straddling": 0},
        "left_out": {},
        **dict.fromkeys(("leaked", "label_conflicts", "used", "found"), 0),
    }
    text = card(count, Source(name="x", about={}, counts=counts, data_hash="a" * 64))
    assert f"# Model card: `none`, {count} classes" in text
    assert len(text.splitlines()) < 160
    assert max(map(len, text.splitlines())) < 1000
    assert (f"{count - 20} others" in text) == (count > 40)
    assert "prepared anew" not in text
    print_results(text)
    assert len(capsys.readouterr().out.splitlines()) < 100


def test_a_card_says_what_the_bootstrap_draws_and_whether_the_data_are_those_of_the_model() -> None:
    counts = {"train": {}, "val": {}, "test": {}, "left_out": {"leak": 1}, "leaked": 1} | {
        "groups": {"images": 4, "count": 2, "largest": 2, "straddling": 0},
        "label_conflicts": 0,
        "used": 6,
        "found": 7,
    }
    text = card(3, Source(name="x", about={}, counts=counts, data_hash="b" * 64), groups=1)
    assert "bootstrap of whole groups: 5 groups, an image that stands alone is one." in text
    assert "**The data were prepared anew since, as `bbbbbbbbbbbb`: it may have learned" in text
    assert (
        "6 of 7 files used; left out: 1 leak. 4 images belong to 2 groups, the largest of" in text
    )
    assert "1 image shares its group with one of a later split: left out." in text
    text = card(3, Source(name="x", about={}))
    assert "bootstrap of images, none of which belong together." in text
    assert "Whether the model has learned from these images is not known." in text
