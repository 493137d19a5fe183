"""The comparison of recipes: its folds leak nothing, its settings exist, its pairs are right."""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from stages.data.dataset import Dataset
from tests.benchmarks.folds import fold_of
from tests.benchmarks.recipe import RECIPES, SCORES, settings, summary
from tests.kit.stage import run_stage


def test_folds_hold_each_image_once_and_split_no_group(photographs: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    places = {name: tmp_path / name for name in ("sheet", "conflicts", "metrics", "details")}
    options = {"source": photographs, "image_size": 32, "store": 1.5, "plots": tmp_path / "plots"}
    assert run_stage("prepare", prepared=whole, **options, **places) == 0
    held, hashes = [], set()
    for fold in range(3):
        one = Dataset.open(fold_of(whole, fold, 3, photographs))
        train, validation = one.split_to_learn_from(), one.split("val")
        assert len(train) + len(validation) == 72
        assert len(one.split("test")) == 0
        assert min(np.bincount(validation.labels)) >= 7
        groups = [set(split.samples["group"].to_pylist()) - {""} for split in (train, validation)]
        assert not groups[0] & groups[1]
        assert train.images.take(np.arange(len(train))).shape[1:] == (48, 48, 3)
        held += validation.samples["path"].to_pylist()
        hashes.add(one.card.data_hash)
        place = pc.index(validation.samples["path"], held[-1]).as_py()
        stored = Dataset.open(whole)
        row = pc.index(stored.samples["path"], held[-1]).as_py()
        where = [int(stored.samples[name][row].as_py()) for name in ("shard", "index")]
        pixels = np.load(whole / f"shard-{where[0]:05}.npy")[where[1]]
        assert np.array_equal(validation.images.take([place])[0], pixels)
    assert len(held) == len(set(held)) == 72
    assert len(hashes) == 3


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_recipe_names_parameters_that_exist(recipe: str) -> None:
    assert settings(recipe, Path("images"), 1)["train"]["seed"] == 1


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(SystemExit, match=r"train\.bogus: no such parameter"):
        settings("train.bogus=1", Path("images"), 0)


def test_a_recipe_is_compared_with_the_first_in_pairs() -> None:
    def row(recipe: str, seed: int, value: float) -> dict[str, str]:
        return {
            "recipe": recipe,
            "fold": "0",
            "seed": str(seed),
            **dict.fromkeys(SCORES, str(value)),
        }

    rows = [row("", 0, 0.80), row("", 1, 0.90), row("train.color=0.4", 0, 0.85)]
    rows += [row("train.color=0.4", 1, 0.97), row("train.color=0.4", 2, 0.5)]
    cells = list(summary(rows).columns[2].cells)
    assert cells == ["0.850", "0.773 (+0.060 +- 0.010)"]
