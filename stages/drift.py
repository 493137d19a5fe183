"""What the model was chosen on and what it sees now in; Evidently's verdict on the change, out.

The reference is validation, as `export-onnx` left it beside the artefact; never train, which the
network knows by heart.
"""

import os
import warnings
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import pyarrow.parquet as pq
from typer import Option

from server.classifier import Classifier
from server.errors import UserError
from server.features import FEATURES
from stages.command import run
from stages.dataset import Dataset as Prepared
from stages.output import whole, write_json
from stages.page import stable
from stages.predictions import predict

NUMBERS = (*FEATURES, "confidence")
CATEGORIES = ("class",)
NUMBER_TEST = "ks"  # Kolmogorov-Smirnov, a p-value: drifted when below the threshold
CATEGORY_TEST = "jensenshannon"  # a distance, 0 to 1: drifted when above the threshold


def main(
    *,
    current: Annotated[Path, Option(help="A prepared folder; its test split is judged.")],
    number_threshold: Annotated[float, Option(min=0, max=1, help="Smallest p-value of no drift.")],
    class_threshold: Annotated[float, Option(min=0, max=1, help="Smallest distance of drift.")],
    model: Annotated[Path, Option(help="Artefact.")] = Path("data/model/model.onnx"),
    reference: Annotated[Path, Option(help="What it was chosen on.")] = Path(
        "data/model/reference.parquet"
    ),
    metrics: Annotated[Path, Option(help="Verdicts to write.")] = Path("metrics/drift.json"),
    report: Annotated[Path, Option(help="Page to write.")] = Path("data/reports/drift.html"),
) -> None:
    """Compare what the model sees with what it was chosen on."""
    classifier = Classifier(model)
    test = Prepared.open(current).split("test")
    columns = [*NUMBERS, *CATEGORIES]
    if not reference.is_file():
        raise UserError(f"{reference}: not there; run `dvc repro export-onnx`")
    before = pq.read_table(reference, columns=columns).to_pandas()
    now = predict(classifier, test, what="drift").select(columns).to_pandas()
    verdicts, page = _judge(now, before, number_threshold, class_threshold)
    share = sum(verdict["drifted"] for verdict in verdicts.values()) / len(verdicts)
    with whole(report) as draft:
        draft.write_text(page, encoding="utf-8")
    rows = {"reference_rows": len(before), "current_rows": len(now)}
    write_json(metrics, {"share_drifted": round(share, 6), **rows, "columns": verdicts})
    drifted = [name for name, verdict in verdicts.items() if verdict["drifted"]]
    print(f"drift: {len(drifted)} of {len(verdicts)} columns drifted", *drifted, sep="\n  ")


def _judge(
    now: pd.DataFrame, before: pd.DataFrame, number_threshold: float, class_threshold: float
) -> tuple[dict[str, dict[str, Any]], str]:
    """Return Evidently's verdict on each column, and its page."""
    os.environ["DO_NOT_TRACK"] = "1"  # Evidently reports home otherwise
    with warnings.catch_warnings():
        # deprecations at its import, and correlations of constant columns that nobody asked for
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        preset = DataDriftPreset(
            num_method=NUMBER_TEST,
            num_threshold=number_threshold,
            cat_method=CATEGORY_TEST,
            cat_threshold=class_threshold,
        )
        columns = DataDefinition(
            numerical_columns=list(NUMBERS), categorical_columns=list(CATEGORIES)
        )
        snapshot = Report([preset], include_tests=True).run(
            Dataset.from_pandas(now, data_definition=columns),
            Dataset.from_pandas(before, data_definition=columns),
        )
        found, page = snapshot.dict(), snapshot.get_html_str(as_iframe=False)
    failed = {
        test["metric_config"]["metric_id"]: test["status"] != "SUCCESS" for test in found["tests"]
    }
    verdicts = {
        metric["config"]["column"]: {
            "test": metric["config"]["method"],
            "statistic": round(float(metric["value"]), 6),
            "threshold": metric["config"]["threshold"],
            "drifted": failed[metric["id"]],
        }
        for metric in found["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    }
    return verdicts, stable(page)


if __name__ == "__main__":
    run(main, section="drift")
