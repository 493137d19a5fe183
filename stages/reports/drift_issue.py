"""The verdicts of drift in; one open issue about them on GitHub, where they alarm, out.

Prints `alarm=true` or `alarm=false`, as GitHub Actions take it. The issue is found again by its
label: a second alarm rewrites it, so that nobody gets an issue a night.
"""

import os
import subprocess
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from stages.cli.command import run
from server.errors import UserError
from stages.cli.output import read_json
from stages.evaluation.markdown import MarkdownText, code, markdown_table

LABEL = "drift"
MOST, LONGEST = 50, 500  # notes, characters of each; an issue holds 65,536
LINE = "\n"


def main(
    *,
    metrics: Annotated[Path, Option(help="Verdicts to read.")] = Path("metrics/details/drift.json"),
) -> None:
    """Open or update the issue; leave things as they are where nothing alarms."""
    drift = read_json(metrics, stage="drift")
    if drift["alarm"]:
        drifted = [name for name, column in drift["columns"].items() if column["drifted"]]
        _open_or_update(
            f"Drift: {', '.join(drifted)}", issue_text(drift, os.environ.get("RUN_URL", ""))
        )
    print(f"alarm={str(drift['alarm']).lower()}")


def issue_text(drift: dict[str, Any], run_url: str) -> str:
    """Say in Markdown what was judged, how, and what to do."""
    rows = [
        (
            MarkdownText(f"**{code(name)}**") if column["drifted"] else name,
            column["test"],
            MarkdownText(f"{column['statistic']:.4g}"),
            MarkdownText(f"{column['threshold']:.4g}"),
            MarkdownText("drifted" if column["drifted"] else "as before"),
        )
        for name, column in drift["columns"].items()
    ]
    notes = [f"* {code(note[:LONGEST])}" for note in drift["notes"][:MOST]]
    if len(drift["notes"]) > MOST:
        notes.append(f"* and {len(drift['notes']) - MOST:,} more, in metrics/details/drift.json")
    span = f", from {drift['from']} to {drift['to']}," if "from" in drift else ""
    return f"""{drift["judged_rows"]:,} images of {drift["current_rows"]:,} rows{span} were \
judged against {drift["reference_rows"]:,} of validation. \
Without a change {drift["false_alarm_rate"]:.0%} of such runs alarm.

{markdown_table(("column", "test", "statistic", "limit", ""), rows)}

{LINE.join(notes)}

{f"The report is an artifact of {run_url}." if run_url else ""}

Look at the images behind it. If they are here to stay, label some and train anew (run this \
workflow by hand with `retrain`); if not, mend what makes them."""


def _open_or_update(title: str, text: str) -> None:
    _gh("label", "create", LABEL, "--force", "--description", "what the model sees has changed")
    number = _gh("issue", "list", "--label", LABEL, "--state", "open", "--limit", "1",
                 "--json", "number", "--jq", ".[].number")  # fmt: skip
    words = ("edit", number) if number else ("create", "--label", LABEL)
    _gh("issue", *words, "--title", title, "--body", text)


def _gh(*words: str) -> str:
    """Run GitHub's command line."""
    try:
        done = subprocess.run(["gh", *words], capture_output=True, text=True, check=False)  # noqa: S607, S603
    except FileNotFoundError:
        raise UserError("gh: not installed; see https://cli.github.com") from None
    if done.returncode:
        raise UserError(f"gh {' '.join(words[:2])}: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()


if __name__ == "__main__":
    run(main)
