"""How well `review` finds labels that are wrong, and what it is worth to mend them.

python -m tests.benchmarks.review

Wrong labels are planted in train. The ranking, and the strength of the probe, are chosen on other
seeds than those that are reported. Of the trainings by `python -m tests.benchmarks.mended` those
are shown that are done. Draws the first finds that nobody planted, data/reports/finds.png.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from cleanlab.rank import get_label_quality_scores

from server.atomic import whole
from stages.data.sheet import write_sheet
from stages.evaluation.markdown import MarkdownText, markdown_table
from stages.labels import probe
from stages.labels.findings import label_errors
from stages.labels.probe import fit
from tests.benchmarks.mended import ACTIONS, SEEDS, Cell, measured, mend
from tests.benchmarks.planted import KINDS, Data, flipped, judge, judged, opened

OTHER_SEEDS = (100, 101, 102, 103)
STRENGTHS = (0.0003, 0.001, 0.003, 0.01)
METHODS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
RANKINGS = [(method, adjust) for method in METHODS for adjust in (False, True)][:-1]
LOOKED_AT, COLUMNS = 50, 10
FINDS = Path("data/reports/finds.png")  # of the default data, so not in git
EXPERTS = {"0.0": "0", "0.3333333333333333": "1/3", "0.6666666666666666": "2/3", "1.0": "1"}

Row = tuple[MarkdownText, ...]


def row(*cells: str) -> Row:
    """Return the cells of a row as Markdown."""
    return tuple(map(MarkdownText, cells))


def scores(data: Data, kind: str, seeds: tuple[int, ...]) -> dict[str, list[tuple[float, float]]]:
    """Return precision and average precision of each ranking, a pair a seed."""
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in seeds:
        labels = flipped(data, kind, seed)
        probabilities = judged(data, labels, seed)
        planted = (labels != data.split.labels)[data.train]
        for method, adjust in RANKINGS:
            quality = get_label_quality_scores(
                labels, probabilities, method=method, adjust_pred_probs=adjust
            )
            name = f"{method}{', adjusted' if adjust else ''}"
            found.setdefault(name, []).append(judge(quality[data.train], planted))
    return found


def choices(data: dict[str, Data]) -> Iterator[Row]:
    """Yield a row a strength and ranking: means on the seeds that choose."""
    chosen = probe.C
    for strength in STRENGTHS:
        probe.C = strength
        of_data = {name: scores(one, "random", OTHER_SEEDS) for name, one in data.items()}
        for ranking in of_data["default"]:
            means = [np.mean(found[ranking], axis=0) for found in of_data.values()]
            yield row(f"{strength:g}", ranking, *(f"{one:.3f}" for mean in means for one in mean))
    probe.C = chosen


def reported(data: dict[str, Data]) -> Iterator[Row]:
    """Yield a row a ranking of data and kind: the mean of the seeds, and their range."""
    for name, one in data.items():
        for kind in KINDS:
            found = scores(one, kind, SEEDS)
            trained = [measured(Cell(name, kind, "none", seed)) for seed in SEEDS]
            found["loss of the trained network"] = [
                judge(-np.array(done["losses"]), np.array(done["planted"]))
                for done in trained
                if done
            ]
            for ranking, pairs in found.items():
                yield row(name, kind, ranking, *map(_spread, zip(*pairs, strict=True)))


def gains(data: Data) -> Iterator[Row]:
    """Yield a row a way to mend: accuracy on test of the probe, and of the trained network."""
    test = data.split.samples["split"].to_numpy() == "test"
    for kind in ("nothing", "random"):
        for action in ACTIONS:
            accuracies, images = [], []
            for seed in SEEDS:
                labels, kept, found = mend(data, kind, action, seed)
                learned = np.intersect1d(data.train, np.flatnonzero(kept))
                answers = fit(data.embedded[learned], labels[learned]).predict(data.embedded[test])
                accuracies.append(float((answers == data.split.labels[test]).mean()))
                images.append(len(found))
            done = [measured(Cell("default", kind, action, seed)) for seed in SEEDS]
            trained = [one["accuracy"] for one in done if one]
            number = f"{len(trained)} of {len(SEEDS)}"
            yield row(
                kind, action, _spread(images, ".0f"), _spread(accuracies, ".3f"),
                f"{_spread(trained, '.3f')}; {number}" if trained else "",
            )  # fmt: skip


def draw_finds(data: Data) -> None:
    """Draw the first finds among the labels as they are, each under its label and suggestion.

    Prints how sure the experts were of them, and of all images.
    """
    split = data.split
    probabilities = judged(data, split.labels, seed=0)
    found = list(label_errors(split.labels, probabilities))[:LOOKED_AT]
    paths = split.samples["path"].to_pylist()
    lines = (line.split() for line in _labels().read_text().splitlines())
    experts = {words[0]: EXPERTS[str(float(words[1]))] for words in lines}
    cells = []
    for one in found:
        path, given = paths[one.position], split.classes[split.labels[one.position]]
        caption = f"{one.rank} {path[-8:-4]} {experts[path]}\n{given}"
        cells.append((caption, [split.images.take([one.position])[0]]))
    with whole(FINDS) as draft:
        write_sheet(draft, cells, columns=COLUMNS, tile=160)
    for what, some in (("found", [paths[one.position] for one in found]), ("all", paths)):
        marks = [experts[path] for path in some]
        print(what, {mark: marks.count(mark) for mark in EXPERTS.values()})


def _labels() -> Path:
    from importlib.resources import files

    return Path(str(files("elpv_dataset"))) / "data/labels.csv"


def _spread(values: list[float] | tuple[float, ...], form: str = ".2f") -> str:
    low, mean, high = (f"{value:{form}}" for value in (min(values), np.mean(values), max(values)))
    return f"{mean} ({low} to {high})"


def main() -> None:
    """Print all tables, and draw."""
    data = {name: opened(name) for name in ("default", "drawn")}
    draw_finds(data["default"])
    columns = ("precision", "average precision")
    print(markdown_table(("C", "ranking", *columns, *columns), choices(data)), flush=True)
    print(markdown_table(("data", "flips", "ranking", *columns), reported(data)), flush=True)
    head = ("planted", "what is found", "images", "accuracy of a probe", "of the network")
    print(markdown_table(head, gains(data["default"])))


if __name__ == "__main__":
    main()
