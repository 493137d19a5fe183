"""The charts of `dvc plots`, drawn from results of up to four revisions."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pytest
import vl_convert
import yaml

from stages.data.dataset import Split
from stages.evaluation.metrics import evaluation_metrics
from stages.evaluation.plot_tables import write_plot_tables
from tests.kit.artefact import METADATA
from tests.kit.clone import call, git
from tests.kit.stage import ROOT

SVG = "{http://www.w3.org/2000/svg}"
REVISIONS = ("zebra", "middle", "alpha", "last")
BASE = "#4c78a8"  # the first colour
MATRIX = "Confusion matrix"


def write_results(folder: Path, classes: list[str], seed: int) -> None:
    """Write tables as evaluate and train do; the last class is never predicted."""
    rng = np.random.default_rng(seed)
    labels = np.arange(300) % len(classes)
    probabilities = rng.dirichlet(np.ones(len(classes)), size=300)
    probabilities[np.arange(300), labels] += rng.random(300) < 0.7
    probabilities[:, -1] = 0
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    columns = dict.fromkeys(("slice", "group", "path"), [""] * 300)
    columns |= {"class": [classes[label] for label in labels]}
    columns |= {"image_sha256": [f"{number:064x}" for number in range(300)]}
    split, metadata = Split(Path(), classes, pa.table(columns)), replace(METADATA, classes=classes)
    figures = evaluation_metrics(metadata, split, probabilities)
    robustness = [{"curve": "blur", "severity": 0, "accuracy": 0.5}]
    plots = folder / "plots"
    shutil.rmtree(plots, ignore_errors=True)
    plots.mkdir()
    write_plot_tables(plots / "evaluate", metadata, split, probabilities, figures, robustness)
    for part in ("train", "validation"):
        file = plots / f"train/plots/metrics/{part}/loss.tsv"
        file.parent.mkdir(parents=True)
        file.write_text(f"step\tloss\n1\t{1 + seed / 10}\n2\t{0.5 + seed / 10}\n")


def make_repository(folder: Path, classes: int) -> Path:
    """Fill a new folder with a branch for each of the revisions."""
    folder.mkdir()
    git(folder, "init", "-q")
    shutil.copytree(ROOT / ".dvc/plots", folder / ".dvc/plots")
    (folder / ".dvc/config").write_text("")
    chosen = {"Loss", MATRIX, "Confusions", "ROC", "Precision and recall", "Reliability"}
    plots = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
    plots = [plot for plot in plots if not chosen.isdisjoint(plot)]
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"plots": plots}))
    for seed, name in enumerate(REVISIONS):
        write_results(folder, [f"class {number:02}" for number in range(classes)], seed)
        git(folder, "add", ".")
        git(folder, "commit", "-qm", name)
        git(folder, "branch", name)
    return folder


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("six") / "repository", 6)


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_repository(tmp_path_factory.mktemp("thirty") / "repository", 30)


@cache
def draw(folder: Path, *revisions: str) -> dict[str, ET.Element]:
    """Return the charts that DVC has of some revisions, by their names."""
    said = call(folder, "dvc", "plots", "diff", *revisions, "--json", "--out", "images")
    plots = json.loads(said[said.index("{") :])
    return {
        name: ET.fromstring(vl_convert.vegalite_to_svg(renderer["content"]))
        for name, [renderer] in plots.get("data", plots).items()
    }


def paths(chart: ET.Element, mark: str) -> Iterator[ET.Element]:
    """Yield what is drawn by a kind of mark: line, rect, rule."""
    for group in chart.iter(f"{SVG}g"):
        if f"mark-{mark} role-mark" in group.get("class", ""):
            yield from group.iter(f"{SVG}path")
            yield from group.iter(f"{SVG}line")


def dashed(chart: ET.Element) -> list[str | None]:
    """Return the colours of the dashed lines."""
    lines = paths(chart, "line")
    return [line.get("stroke") for line in lines if line.get("stroke-dasharray") == "6,4"]


def texts(chart: ET.Element) -> list[str]:
    return [element.text or "" for element in chart.iter(f"{SVG}text")]


@pytest.mark.parametrize("revisions", [("zebra", "alpha"), ("middle",), REVISIONS])
def test_the_first_revision_that_is_named_is_dashed_and_no_other(
    six: Path, revisions: tuple[str, ...]
) -> None:
    charts = draw(six, *revisions)
    assert dashed(charts["Loss"]) == [BASE] * 2  # on train and validation
    for chart in charts.values():
        assert [text for text in texts(chart) if text.endswith(" (base)")] == [
            f"{revisions[0]} (base)"
        ]


def test_one_revision_alone_is_no_base(six: Path) -> None:
    loss = draw(six, "alpha", "alpha")["Loss"]
    assert not dashed(loss)
    assert "alpha" in texts(loss)


@pytest.mark.parametrize(("name", "classes"), [("six", 6), ("thirty", 30)])
def test_the_matrix_is_square_also_where_a_class_is_never_predicted(
    name: str, classes: int, request: pytest.FixtureRequest
) -> None:
    chart = draw(request.getfixturevalue(name), "zebra", "alpha")[MATRIX]
    assert len(list(paths(chart, "rect"))) == 2 * classes**2


def test_few_classes_have_numbers_in_the_matrix_and_many_have_none(six: Path, thirty: Path) -> None:
    assert sum(text.endswith("%") for text in texts(draw(six, "zebra", "alpha")[MATRIX])) == 72
    assert not [text for text in texts(draw(thirty, "zebra", "alpha")[MATRIX]) if "%" in text]


def test_of_many_classes_the_most_frequent_confusions_are_named(thirty: Path) -> None:
    chart = draw(thirty, "zebra", "alpha")["Confusions"]
    pairs = [text for text in texts(chart) if re.fullmatch(r"class \d\d → class \d\d", text)]
    assert len(pairs) == 15
    assert all(pair[:8] != pair[-8:] for pair in pairs)


@pytest.mark.parametrize("name", ["ROC", "Precision and recall"])
def test_many_classes_and_revisions_are_few_lines_in_a_panel(thirty: Path, name: str) -> None:
    chart = draw(thirty, *REVISIONS)[name]
    chance = name == "ROC"
    # the average, five classes, and the base's average beside it, in each of four panels
    assert len(list(paths(chart, "line"))) == 4 * (1 + 5 + 1 + chance)


def test_bins_of_reliability_have_intervals(six: Path) -> None:
    chart = draw(six, "zebra", "alpha")["Reliability"]
    assert len(list(paths(chart, "rule"))) == 2 * 2 * 10  # of two curves in two panels


def test_all_templates_tell_the_base_alike() -> None:
    files = sorted((ROOT / ".dvc/plots").glob("*.json"))
    starts = {json.dumps(json.loads(file.read_text())["transform"][:6]) for file in files}
    assert len(starts) == 1
    named = {
        plot["template"]
        for entry in yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
        for plot in entry.values()
    }
    assert named == {file.stem for file in files}
