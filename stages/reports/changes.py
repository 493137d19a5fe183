"""Two revisions' parameters, metrics, data and losses compared, as Markdown."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from stages.evaluation.markdown import MarkdownText, code, markdown_table
from stages.evaluation.model_card import score_interval
from stages.reports.revision import Revision, diff, flat

SAME = "None changed."
MOST = 200  # rows of a table: a comment holds 65,536 characters
OF_MODEL, OF_DATA = ("train", "export", "evaluate"), ("prepare", "drift")  # stages
BOUND = re.compile(r"(^|\.)interval\.\w+\.(low|high)$")  # of an interval; a class may be called so
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

Row = tuple[str, Any, Any]  # cells: what, before, after


def changed_parameters(base: Revision, head: Revision) -> str:
    """Return a table of parameters that differ."""
    changed = diff("params", base, head).get("params.yaml", {})
    return _table(
        "parameter", [(name, *map(_value, values)) for name, values in sorted(changed.items())]
    )


def changed_metrics(base: Revision, head: Revision) -> str:
    """Return a table of scores with their intervals, and one of all other metrics that differ."""
    before, after = base.details("evaluate"), head.details("evaluate")
    names = [name for name in after.get("interval", {}) if name in after]
    scores = [(MarkdownText(name), _score(before, name), _score(after, name)) for name in names]
    parts = [_table("on test", scores)] if scores else []
    rows = [row for row in _figures(base, head, OF_MODEL) if not BOUND.search(row[0])]
    if rows:
        table = _table("metric", rows[:MOST])
        summary = f"{len(rows)} metrics changed"
        parts.append(f"<details><summary>{summary}</summary>\n\n{table}\n\n</details>")
    return "\n\n".join(parts) or SAME


def changed_data(base: Revision, head: Revision) -> str:
    """Return a table of counts, splits and verdicts on drift that differ."""
    return _table("", _figures(base, head, OF_DATA))


def loss_charts(base: Revision, head: Revision) -> str:
    """Return the losses on train and validation as charts that GitHub draws (Mermaid)."""
    charts = []
    for split in ("train", "validation"):
        curves = {}
        for revision in (base, head):
            rows = revision.table(CURVES.format(split))
            if rows is not None:
                curves[revision.label] = [round(float(value), 4) for value in rows["loss"]]
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
        lines="\n".join(f"  line [{', '.join(map(str, curve))}]" for curve in curves.values()),
    )


def _figures(base: Revision, head: Revision, stages: Iterable[str]) -> list[Row]:
    """Return the rows of all figures of `stages` that differ."""
    rows = []
    for stage in stages:
        before, after = (flat(revision.details(stage)) for revision in (base, head))
        for name in sorted({*before, *after}):
            values = before.get(name), after.get(name)
            if values[0] != values[1]:
                rows.append((f"{stage}.{name}", *map(_value, values)))
    return rows


def _table(what: str, rows: Sequence[Row]) -> str:
    return markdown_table((what, "before", "after"), rows) if rows else SAME


def _value(value: Any) -> Any:
    """Return a parameter or metric as a cell of a table."""
    if value is None:
        return MarkdownText("-")
    return MarkdownText(f"{value:.6g}") if isinstance(value, float) else value


def _score(metrics: dict[str, Any], name: str) -> MarkdownText:
    if name not in metrics:
        return MarkdownText("-")
    interval = score_interval(metrics, name)
    return MarkdownText(f"{metrics[name]:.3f}" + (f" ({interval})" if interval else ""))
