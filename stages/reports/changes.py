"""Two revisions' parameters, metrics, data and losses compared, as Markdown."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.evaluation.markdown import MarkdownText, code, markdown_table
from stages.evaluation.model_card import score_interval
from stages.reports.comment import folded
from stages.reports.inputs import Inputs
from stages.reports.names import counted, short
from stages.reports.revision import Revision, diff, flat

SAME = "None changed."
MOST = 60  # rows of a table, points of a curve
OF_MODEL = {"train": "train", "export": "export-onnx", "evaluate": "evaluate"}  # files and stages
OF_DATA = {"prepare": "prepare", "drift": "drift"}
# bounds of intervals, figures of classes; a class may be called so
LEFT_OUT = re.compile(r"(^|\.)interval\.\w+\.(low|high)$|^class\.")
CURVES = "plots/train/plots/metrics/{}/loss.tsv"
COLOURS = ("blue", "orange")  # before, after
CHART = """{heading} by epoch: {names}.

```mermaid
---
config:
  themeVariables:
    xyChart:
      plotColorPalette: "#1f77b4, #ff7f0e"
---
xychart-beta
  title "{title}"
  x-axis "epoch" 1 --> {epochs}
  y-axis "cross-entropy" {low:.3f} --> {high:.3f}
{lines}
```"""

LONGEST = 120  # characters of a value

Row = tuple[Any, Any, Any]  # cells: what, before, after


def changed_parameters(base: Revision, head: Revision) -> str:
    """Return a table of parameters that differ."""
    changed = diff("params", base, head).get("params.yaml", {})
    return _table(
        "parameter",
        [(short(name), *map(_value, values)) for name, values in sorted(changed.items())],
    )


def changed_metrics(base: Revision, head: Revision, inputs: Inputs) -> str:
    """Return a table of scores with their intervals, and one of all other metrics that differ.

    Of stages alone whose inputs differ: what else differs comes from the machine.
    """
    before, after = base.details("evaluate"), head.details("evaluate")
    names = [name for name in after.get("interval", {}) if name in after]
    scores = [(MarkdownText(name), _score(before, name), _score(after, name)) for name in names]
    parts = [_table("on test", scores)] if scores and inputs.affect("evaluate") else []
    rows = _figures(base, head, inputs, OF_MODEL)
    if rows:
        parts.append(folded(f"{counted(len(rows), 'metric')} changed", _table("metric", rows)))
    return "\n\n".join(parts) or SAME


def changed_data(base: Revision, head: Revision, inputs: Inputs) -> str:
    """Return a folded table of counts, splits and verdicts on drift that differ."""
    rows = _figures(base, head, inputs, OF_DATA)
    return folded(f"{counted(len(rows), 'figure')} changed", _table("", rows)) if rows else SAME


def loss_charts(base: Revision, head: Revision) -> str:
    """Return the losses on train and validation as charts that GitHub draws (Mermaid)."""
    charts = []
    for split in ("train", "validation"):
        curves = {}
        for revision in (base, head):
            rows = revision.table(CURVES.format(split))
            if rows is not None:
                curves[revision.label] = rows["loss"].astype(float).tolist()
        if curves:
            charts.append(_chart(f"{split} loss", curves))
    return "\n\n".join(charts) or "None."


def _chart(title: str, curves: dict[str, list[float]]) -> str:
    values = [value for curve in curves.values() for value in curve]
    colours = zip(curves, COLOURS, strict=False)
    return CHART.format(
        heading=title.capitalize(),
        names=" and ".join(f"{code(label)} ({colour})" for label, colour in colours),
        title=title,
        epochs=max(2, *map(len, curves.values())),
        low=min(values),
        high=max(values),
        lines="\n".join(f"  line [{_points(curve)}]" for curve in curves.values()),
    )


def _points(curve: list[float]) -> str:
    """Return the values of a curve as Mermaid takes them, of a long one those at even steps."""
    if len(curve) > MOST:
        curve = np.interp(np.linspace(0, len(curve) - 1, MOST), range(len(curve)), curve).tolist()
    return ", ".join(f"{value:.4f}" for value in curve)


def _figures(base: Revision, head: Revision, inputs: Inputs, files: dict[str, str]) -> list[Row]:
    """Return the rows of figures that differ, of `files` by the stage that writes each.

    Left out are bounds of intervals, and classes: their recalls have a table of their own.
    """
    rows = []
    for file in (file for file, stage in files.items() if inputs.affect(stage)):
        before, after = (flat(revision.details(file)) for revision in (base, head))
        for name in sorted({*before, *after}):
            values = before.get(name), after.get(name)
            if values[0] != values[1] and not LEFT_OUT.search(name):
                rows.append((short(f"{file}.{name}"), *map(_value, values)))
    return rows


def _table(what: str, rows: Sequence[Row]) -> str:
    if not rows:
        return SAME
    more = f"\n\nand {len(rows) - MOST:,} more" if len(rows) > MOST else ""
    return markdown_table((what, "before", "after"), rows[:MOST]) + more


def _value(value: Any) -> Any:
    """Return a parameter or metric as a cell of a table."""
    match value:
        case None:
            return MarkdownText("-")
        case float():
            return MarkdownText(f"{value:.6g}")
        case int() if not isinstance(value, bool):
            return MarkdownText(f"{value:,}")
        case _:
            return short(value, longest=LONGEST)


def _score(metrics: dict[str, Any], name: str) -> MarkdownText:
    if name not in metrics:
        return MarkdownText("-")
    interval = score_interval(metrics, name)
    return MarkdownText(f"{metrics[name]:.3f}" + (f" ({interval})" if interval else ""))
