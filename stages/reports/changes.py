"""What has changed between two revisions besides answers, as Markdown."""

from typing import Any

from stages.evaluation.markdown import table
from stages.reports.revision import Revision, diff

SAME = "None changed."
MOST = 200  # rows of a table: a comment holds 65,536 characters
SCORES = "metrics/evaluate.json"
OF_DATA = ("metrics/prepare.json", "metrics/drift.json")
COLOURS = {"blue": "#1f77b4", "orange": "#ff7f0e"}  # before, after
CURVES = "plots/train/plots/metrics/{}/loss.tsv"


def changed_parameters(base: Revision, head: Revision) -> str:
    """Return a table of parameters that differ."""
    found = diff("params", base, head).get("params.yaml", {})
    rows = [(f"`{name}`", *_both(found[name])) for name in sorted(found)]
    return table(("parameter", "before", "after"), rows) if rows else SAME


def changed_metrics(base: Revision, head: Revision) -> str:
    """Return a table of scores with their intervals, and one of all other metrics that differ."""
    before, after = base.json(SCORES), head.json(SCORES)
    names = [name for name in after.get("interval", {}) if name in after]
    scores = [(name, _score(before, name), _score(after, name)) for name in names]
    parts = [table(("on test", "before", "after"), scores)] if scores else []
    rows = [
        (f"`{file.removeprefix('metrics/').removesuffix('.json')}.{name}`", *_both(values))
        for file, changed in sorted(diff("metrics", base, head).items())
        if file not in OF_DATA
        for name, values in sorted(changed.items())
        if "interval" not in name
    ]
    if rows:
        parts.append(
            f"<details><summary>{len(rows)} metrics changed</summary>\n\n"
            f"{table(('metric', 'before', 'after'), rows[:MOST])}\n\n</details>"
        )
    return "\n\n".join(parts) or SAME


def changed_data(base: Revision, head: Revision) -> str:
    """Return a table of counts, splits and verdicts on drift that differ."""
    found = diff("metrics", base, head)
    rows = [
        (f"`{file.removeprefix('metrics/').removesuffix('.json')}.{name}`", *_both(values))
        for file in OF_DATA
        for name, values in sorted(found.get(file, {}).items())
    ]
    return table(("", "before", "after"), rows) if rows else SAME


def losses(base: Revision, head: Revision) -> str:
    """Return the losses on train and validation as charts that GitHub draws (Mermaid)."""
    charts = []
    for split in ("train", "validation"):
        lines = {}
        for revision in (base, head):
            rows = revision.table(CURVES.format(split))
            if rows is not None:
                lines[revision.label] = [round(float(value), 4) for value in rows["loss"]]
        if lines:
            charts.append(_chart(f"{split} loss", lines))
    return "\n\n".join(charts) or "None."


def _chart(title: str, lines: dict[str, list[float]]) -> str:
    values = [value for line in lines.values() for value in line]
    epochs = max(len(line) for line in lines.values())
    colours = zip(lines, COLOURS, strict=False)
    names = " and ".join(f"{label} ({colour})" for label, colour in colours)
    return "\n".join(
        [
            f"{title.capitalize()} by epoch: {names}.",
            "",
            "```mermaid",
            "---",
            "config:",
            "  themeVariables:",
            "    xyChart:",
            f'      plotColorPalette: "{", ".join(COLOURS.values())}"',
            "---",
            "xychart-beta",
            f'  title "{title}"',
            f'  x-axis "epoch" 1 --> {max(2, epochs)}',
            f'  y-axis "cross-entropy" {min(values):.3f} --> {max(values):.3f}',
            *(f"  line [{', '.join(map(str, line))}]" for line in lines.values()),
            "```",
        ]
    )


def _both(values: dict[str, Any]) -> tuple[str, str]:
    return _text(values.get("old")), _text(values.get("new"))


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _score(found: dict[str, Any], name: str) -> str:
    if name not in found:
        return "-"
    bounds = found.get("interval", {}).get(name)
    interval = f" ({bounds['low']:.3f} to {bounds['high']:.3f})" if bounds else ""
    return f"{found[name]:.3f}{interval}"
