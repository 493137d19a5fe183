"""Evidently's verdicts. For processes of their own: importing this takes 3 s and 180 MB."""

import gc
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from string import punctuation
from typing import Any

import numpy as np
import numpy.typing as npt

from server.drift.rows import CLASS
from server.terminal import printable

os.environ["DO_NOT_TRACK"] = "1"  # Evidently reports nothing home
gc.disable()  # a fifth of the import would be a search for garbage
try:
    with warnings.catch_warnings(action="ignore"):  # its dependencies' deprecations
        import pandas as pd
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics.embeddings import EmbeddingsDrift, ModelDriftMethod
        from evidently.presets import DataDriftPreset
        from evidently.tests import lte
finally:
    gc.freeze()  # nor is that searched at the end of the process, which takes another second
    gc.enable()

NUMBER_TEST = "ks"  # Kolmogorov-Smirnov, a p-value: drifted at the limit or below
MARKUP = re.compile(f"[{re.escape(punctuation)}]")
CLASS_TEST = "jensenshannon"  # a distance, 0 to 0.83: drifted at the limit or above

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a test says of a column."""

    test: str
    statistic: float
    threshold: float
    drifted: bool

    def __str__(self) -> str:
        return f"{self.test} {self.statistic:.4g}, limit {self.threshold:.4g}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values, of six digits that count."""
        rounded = {name: float(f"{getattr(self, name):.6g}") for name in ("statistic", "threshold")}
        return asdict(self) | rounded


def judge(
    reference: pd.DataFrame, current: pd.DataFrame, limits: Mapping[str, float]
) -> tuple[dict[str, Verdict], str]:
    """Return Evidently's verdict on each column of `limits`, and its page.

    Numbers are tested by `NUMBER_TEST`, classes by `CLASS_TEST`.
    """
    preset = DataDriftPreset(
        num_method=NUMBER_TEST, cat_method=CLASS_TEST, per_column_threshold=dict(limits)
    )
    definition = DataDefinition(
        numerical_columns=[name for name in limits if name != CLASS],
        categorical_columns=[name for name in limits if name == CLASS],
    )
    sides = (_with_markup_escaped(side) for side in (reference, current))
    report, page = _report(preset, definition, *sides)
    failed = {
        test["metric_config"]["metric_id"]: test["status"] != "SUCCESS" for test in report["tests"]
    }
    verdicts = {
        metric["config"]["column"]: Verdict(
            test=metric["config"]["method"],
            statistic=float(metric["value"]),
            threshold=float(metric["config"]["threshold"]),
            drifted=failed[metric["id"]],
        )
        for metric in report["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    }
    return verdicts, page


def domain_classifier(reference: Numbers, current: Numbers, limit: float) -> tuple[Verdict, str]:
    """Return whether Evidently's classifier tells two sides `[n, features]` apart, and its page."""
    names = [f"component {number + 1}" for number in range(reference.shape[1])]
    method = ModelDriftMethod(threshold=limit)
    metric = EmbeddingsDrift(embeddings_name="embedding", drift_method=method, tests=[lte(limit)])
    np.random.seed(0)  # noqa: NPY002 - Evidently's t-SNE takes its start from here
    report, page = _report(
        metric,
        DataDefinition(embeddings={"embedding": names}),
        *(pd.DataFrame(side, columns=names) for side in (reference, current)),
    )
    verdict = Verdict(
        test="domain classifier, ROC-AUC",
        statistic=float(report["metrics"][0]["value"]),
        threshold=limit,
        drifted=report["tests"][0]["status"] != "SUCCESS",
    )
    return verdict, page


def _with_markup_escaped(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose classes are no markup: Evidently writes them into a script as they are.

    Its charts read entities, so they show the names themselves. (`stages.comparison.stable_html`
    is not to find an identifier in them either.)
    """
    if CLASS not in rows:
        return rows
    escaped = {
        name: MARKUP.sub(lambda found: f"&#{ord(found[0])};", printable(name))
        for name in rows[CLASS].unique()
    }
    return rows.assign(**{CLASS: rows[CLASS].map(escaped)})


def _report(
    metric: Any, definition: DataDefinition, reference: pd.DataFrame, current: pd.DataFrame
) -> tuple[dict[str, Any], str]:
    with warnings.catch_warnings(action="ignore"):  # correlations of constant columns
        sides = [
            Dataset.from_pandas(side, data_definition=definition) for side in (current, reference)
        ]
        snapshot = Report([metric], include_tests=True).run(*sides)
        return snapshot.dict(), snapshot.get_html_str(as_iframe=False)
