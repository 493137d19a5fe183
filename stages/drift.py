"""What the model was chosen on and what it sees now in; Evidently's verdict on the change, out.

The reference is validation, as `export-onnx` left it beside the artefact; never train, which the
network knows by heart.
"""

import threading
from contextlib import ExitStack
from dataclasses import replace
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
from typer import Option

from stages.cli.command import run
from server.atomic import whole
from server.drift.rows import CLASS, NUMBERS
from server.drift.table import Columns, columns_of
from server.errors import UserError
from server.model.classifier import Classifier, Floats
from server.terminal import printable
from stages.answers.predictions import matrix
from stages.cli.output import write_json
from stages.comparison.current import Current, current_rows
from stages.comparison.histograms import write_histograms
from stages.comparison.outliers import outliers_sheet
from stages.comparison.stable_html import stable
from stages.data.sheet import write_sheet

EMBEDDING = "embedding"
NO_IMAGES = "a log holds no images, so there is nothing to show"


class OnDrift(StrEnum):
    """What becomes of the run when a column has drifted."""

    REPORT = "report"
    FAIL = "fail"  # exit with 2, after all outputs are written


def main(
    *,
    current: Annotated[Path, Option()],
    on_drift: Annotated[OnDrift, Option()],
    false_alarm_rate: Annotated[float, Option(min=0.001, max=0.5)],
    model: Annotated[Path, Option(help="Artefact that answers.")] = Path("data/model/model.onnx"),
    reference: Annotated[Path, Option(help="Rows of validation, by export-onnx.")] = Path(
        "data/model/reference.parquet"
    ),
    metrics: Annotated[Path, Option(help="Verdict to write.")] = Path("metrics/drift.json"),
    details: Annotated[Path, Option(help="Verdict on each column to write.")] = Path(
        "metrics/details/drift.json"
    ),
    report: Annotated[Path, Option(help="Page to write.")] = Path("data/reports/drift.html"),
    embeddings: Annotated[Path, Option(help="Page of the embeddings to write.")] = Path(
        "data/reports/drift-embeddings.html"
    ),
    outliers: Annotated[Path, Option(help="Picture to write.")] = Path(
        "data/reports/drift-outliers.png"
    ),
    plots: Annotated[Path, Option(help="Folder of histograms to write.")] = Path("plots/drift"),
) -> None:
    """Compare what the model sees with what it was chosen on."""
    classifier = Classifier(model)
    before, embeddings_before = _read_reference(reference)
    # importing Evidently takes 3 s; meanwhile the current rows are read
    threading.Thread(target=import_module, args=["server.drift.evidently"]).start()
    with ExitStack() as stack:
        now = stack.enter_context(current_rows(current, classifier))
        from server.drift.assessment import assess
        from server.drift.limits import rate_of_one
        from stages.comparison.embeddings import assess_embeddings

        rate = rate_of_one(false_alarm_rate, len(before) + 1)  # of images none is left out
        of_embeddings = assess_embeddings(embeddings_before, now.embedding, rate=rate)
        found = assess(
            before,
            now,
            rate=false_alarm_rate,
            classes=classifier.metadata.classes,
            other_tests=len(of_embeddings.columns),
        )
        found = replace(
            found,
            columns={**found.columns, **of_embeddings.columns},
            notes=[*found.notes, *of_embeddings.notes],
        )
        # all outputs are of one run: none takes its place before all are written
        outputs = (metrics, details, report, embeddings, outliers, plots)
        drafts = [stack.enter_context(whole(path)) for path in outputs]
        models = {"models": now.models} if now.models else {}
        said = {"feedback": now.feedback.to_json()} if now.feedback else {}
        verdicts = {"false_alarm_rate": false_alarm_rate, **models, **found.to_json(), **said}
        write_json(drafts[0], _headline(verdicts))
        write_json(drafts[1], verdicts)
        pages = (found, replace(of_embeddings, rows=found.rows, span=found.span))
        for draft, one in zip(drafts[2:4], pages, strict=True):
            draft.write_text(stable(one.headed_page()), encoding="utf-8")
        _outliers(drafts[4], embeddings_before, now)
        write_histograms(before, now.columns, drafts[5])
    print(f"drift: {len(found.drifted)} of {len(found.columns)} columns drifted")
    drifted = (f"{name}: {found.columns[name]}" for name in found.drifted)
    feedback = now.feedback.lines() if now.feedback else ()
    for line in (*found.subject(), *drifted, *feedback, *found.notes):
        print(f"  {printable(line)}")
    if found.drifted and on_drift is OnDrift.FAIL:
        raise UserError(
            f"drift: {', '.join(found.drifted)} drifted, and drift.on_drift=fail; see {details}"
        )


def _read_reference(path: Path) -> tuple[Columns, Floats]:
    """Return the judged columns of validation, and its embeddings `[n, features]`."""
    if not path.is_file():
        raise UserError(f"{path}: not there; run `dvc repro export-onnx`")
    try:
        table = pq.read_table(path, columns=[*NUMBERS, CLASS, EMBEDDING])
    except pa.ArrowException as error:
        raise UserError(
            f"{path}: no table of validation, {error}; run `dvc repro export-onnx`"
        ) from None
    return columns_of(table), matrix(table, EMBEDDING)


def _headline(verdicts: dict[str, Any]) -> dict[str, int]:
    """Return the few figures that revisions are compared by."""
    columns = verdicts["columns"]
    return {
        "alarm": verdicts["alarm"],
        "drifted": sum(column["drifted"] for column in columns.values()),
        "columns": len(columns),
        "judged_rows": verdicts.get("judged_rows", 0),
    }


def _outliers(path: Path, reference: Floats, now: Current) -> None:
    if now.images is None or now.embedding is None:
        write_sheet(path, [(NO_IMAGES, [])])
        return
    from stages.comparison.embeddings import neighbour_distances

    far = neighbour_distances(reference, now.embedding)
    captions = [
        [printable(file), f"{printable(name)} {confidence:.2f}", f"distance {distance:.1f}"]
        for file, name, confidence, distance in zip(
            now.paths, now.columns[CLASS], now.columns["confidence"], far, strict=True
        )
    ]
    outliers_sheet(path, now.images, captions, far)


if __name__ == "__main__":
    run(main, section="drift")
