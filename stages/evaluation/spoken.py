"""What an evaluation says on a terminal."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from stages.answers.scores import NAMES, scores_and_intervals


def say(judged: dict[str, Any], robustness: Sequence[dict[str, Any]]) -> None:
    """Print scores with intervals, classes, slices, calibration and robustness as tables."""
    console = Console(soft_wrap=True)
    console.print(f"evaluate: {judged['images']:,} images, model {judged['model']}")
    console.print(_table(("score", "value", "95 % interval"), scores_and_intervals(judged)))
    columns = ("images", "precision", "recall", "f1")
    console.print(_table(("class", *columns), _rows(judged["class"], columns)))
    if "slice" in judged:
        there = [name for name in ("images", *NAMES) if name in judged]
        console.print(_table(("slice", *there), _rows(judged["slice"], there)))
    after, before, abstain = (
        judged[name] for name in ("calibration", "before_temperature", "abstain")
    )
    console.print(
        f"expected calibration error {after['ece']:.3f} ({before['ece']:.3f} before temperature), "
        f"Brier score {after['brier']:.3f} ({before['brier']:.3f})\n"
        f"at the artefact's threshold {abstain['threshold']:.3f}: answers "
        f"{abstain['coverage']:.1%}, {abstain['precision']:.1%} of them right"
    )
    severities = sorted({row["severity"] for row in robustness})
    names = dict.fromkeys(row["curve"] for row in robustness)
    accuracies = {(row["curve"], row["severity"]): row["accuracy"] for row in robustness}
    cells = [[name, *(f"{accuracies[name, step]:.3f}" for step in severities)] for name in names]
    console.print(_table(("accuracy under", "none", *map(str, severities[1:])), cells))


def say_speed(measured: Sequence[dict[str, Any]], provider: str) -> None:
    """Print how fast it was."""
    lines = (
        f"batch {row['batch']}: {row['milliseconds']:.1f} ms, "
        f"{row['images_per_second']:,.0f} images/s"
        for row in measured
    )
    print(f"{provider}:", "; ".join(lines), flush=True)


def _rows(found: dict[str, Any], columns: Iterable[str]) -> Iterable[list[str]]:
    for name, values in found.items():
        cells = (values.get(column, "") for column in columns)
        yield [name, *(f"{cell:.3f}" if isinstance(cell, float) else f"{cell:,}" for cell in cells)]


def _table(columns: Iterable[str], rows: Iterable[Sequence[str]]) -> Table:
    first, *rest = columns
    table = Table(first)
    for name in rest:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*row)
    return table
