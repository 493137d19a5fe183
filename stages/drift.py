"""What the model was chosen on and what it sees now in; Evidently's verdict on the change, out.

The reference is validation, as `export-onnx` left it beside the artefact; never train, which the
network knows by heart.
"""

from dataclasses import replace
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
from typer import Option

from server.drift.assessment import Assessment, assess
from server.drift.evidently import import_ahead
from server.drift.rows import CLASS, NUMBERS
from server.errors import UserError
from server.model.classifier import Classifier
from stages.answers.predictions import matrix
from stages.cli.command import run
from stages.cli.output import whole, write_json
from stages.comparison.current import Current, columns_of, see
from stages.comparison.embeddings import Embeddings, judge_embeddings, unlikeness
from stages.comparison.histograms import histograms
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
    model: Annotated[Path, Option(help="Artefact.")] = Path("data/model/model.onnx"),
    reference: Annotated[Path, Option(help="What it was chosen on.")] = Path(
        "data/model/reference.parquet"
    ),
    metrics: Annotated[Path, Option(help="Verdicts to write.")] = Path("metrics/drift.json"),
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
    table = _reference(reference)
    before = columns_of(table)
    import_ahead()
    with see(current, classifier) as now:
        alike = _embeddings(table, now, rate=_shares(false_alarm_rate)[0])
        of_columns = _shares(false_alarm_rate)[1] if isinstance(alike, Embeddings) else None
        found = assess(
            before,
            now.columns,
            rate=of_columns or false_alarm_rate,
            classes=classifier.metadata.classes,
        )
        found = _together(found, now, alike)
        with whole(outliers) as draft:
            _gallery(draft, table, now)
    histograms(before, now.columns, plots)
    for path, page in ((report, found.page), (embeddings, _page(alike))):
        with whole(path) as draft:
            draft.write_text(stable(page), encoding="utf-8")
    models = {"models": now.models} if now.models else {}
    summary: dict[str, Any] = {"false_alarm_rate": false_alarm_rate, **models, **found.to_json()}
    write_json(metrics, summary)
    _tell(found, on_drift, metrics)


def _reference(path: Path) -> pa.Table:
    if not path.is_file():
        raise UserError(f"{path}: not there; run `dvc repro export-onnx`")
    return pq.read_table(path, columns=[*NUMBERS, CLASS, EMBEDDING])


def _shares(rate: float) -> tuple[float, float]:
    """Divide the rate of false alarms between the embeddings, one test of eight, and the rest."""
    tests = len(NUMBERS) + 2
    of_one = 1 - (1 - rate) ** (1 / tests)
    return of_one, 1 - (1 - rate) / (1 - of_one)


def _embeddings(reference: pa.Table, now: Current, *, rate: float) -> Embeddings | str:
    if now.embedding is None:
        return "embedding: not judged, a log holds none"
    return judge_embeddings(matrix(reference, EMBEDDING), now.embedding, rate=rate)


def _together(found: Assessment, now: Current, alike: Embeddings | str) -> Assessment:
    """Add the verdict on embeddings, and what the reading of the current data has to say."""
    if isinstance(alike, str):
        return replace(found, notes=[*now.notes, *found.notes, alike])
    columns = {**found.columns, EMBEDDING: alike.verdict}
    return replace(found, columns=columns, notes=[*now.notes, *found.notes])


def _page(alike: Embeddings | str) -> str:
    if isinstance(alike, Embeddings):
        return alike.page
    return f"<!DOCTYPE html><html lang='en'><title>Drift</title><p>{escape(alike)}</p></html>\n"


def _gallery(path: Path, reference: pa.Table, now: Current) -> None:
    if now.images is None or now.embedding is None:
        write_sheet(path, [(NO_IMAGES, [])])
        return
    far = unlikeness(matrix(reference, EMBEDDING), now.embedding)
    names = now.columns[CLASS].tolist()
    confidences = now.columns["confidence"].tolist()
    captions = [
        [file, f"{name} {confidence:.2f}", f"distance {distance:.1f}"]
        for file, name, confidence, distance in zip(
            now.paths, names, confidences, far.tolist(), strict=True
        )
    ]
    outliers_sheet(path, now.images, captions, far)


def _tell(found: Assessment, on_drift: OnDrift, metrics: Path) -> None:
    print(f"drift: {len(found.drifted)} of {len(found.columns)} columns drifted")
    for name in found.drifted:
        verdict = found.columns[name]
        print(f"  {name}: {verdict.test} {verdict.statistic:.4g}, limit {verdict.threshold:.4g}")
    for note in found.notes:
        print(f"  {note}")
    if found.drifted and on_drift is OnDrift.FAIL:
        raise UserError(
            f"drift: {', '.join(found.drifted)} drifted, and drift.on_drift=fail; see {metrics}"
        )


if __name__ == "__main__":
    run(main, section="drift")
