"""Evidently's verdict on columns: its tests against thresholds that resampling gave.

Only imported by what runs in a process of its own: importing Evidently takes 5 s and 180 MB.
"""

import gc
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from server.drift.rows import CLASS, Column, Columns
from server.drift.thresholds import Allowed

NUMBER_TEST = "ks"  # Kolmogorov-Smirnov, a p-value: drifted when below the threshold
CATEGORY_TEST = "jensenshannon"  # a distance, 0 to 1: drifted when above the threshold
TURN = threading.RLock()  # the filters of warnings belong to all threads


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a test found of a column."""

    test: str
    statistic: float
    threshold: float
    drifted: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain values, of six digits that count."""
        return asdict(self) | {
            "statistic": float(f"{self.statistic:.6g}"),
            "threshold": float(f"{self.threshold:.6g}"),
        }


@contextmanager
def quietly() -> Iterator[None]:
    """Let Evidently report nothing home, nor warn of its own internals."""
    os.environ["DO_NOT_TRACK"] = "1"
    with TURN, warnings.catch_warnings():
        # deprecations at its import, and correlations of constant columns that nobody asked for
        warnings.simplefilter("ignore")
        gc.disable()  # a fifth of the import's 5 s would go into a search for garbage
        try:
            import evidently  # noqa: F401
        finally:
            gc.freeze()  # nor at the end of the process, where that takes 2 s and frees nothing
            gc.enable()
        yield


def import_ahead() -> None:
    """Import Evidently in a thread, while others read what it is to judge."""

    def importing() -> None:
        with quietly():
            pass

    threading.Thread(target=importing).start()


def judge(
    reference: Columns, current: Columns, allowed: Mapping[str, Allowed]
) -> tuple[dict[str, Verdict], str]:
    """Return Evidently's verdict on each column, and its page.

    A column has drifted when its statistic is beyond the one that the same test gives for the two
    samples that are as far apart as chance allows.
    """
    with quietly():
        import pandas as pd
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        thresholds = {name: _threshold(name, samples) for name, samples in allowed.items()}
        preset = DataDriftPreset(
            num_method=NUMBER_TEST, cat_method=CATEGORY_TEST, per_column_threshold=thresholds
        )
        columns = DataDefinition(
            numerical_columns=[name for name in allowed if name != CLASS],
            categorical_columns=[name for name in allowed if name == CLASS],
        )
        sides = [
            Dataset.from_pandas(
                pd.DataFrame({name: side[name] for name in allowed}), data_definition=columns
            )
            for side in (current, reference)
        ]
        snapshot = Report([preset], include_tests=True).run(*sides)
        found, page = snapshot.dict(), snapshot.get_html_str(as_iframe=False)
    failed = {
        test["metric_config"]["metric_id"]: test["status"] != "SUCCESS" for test in found["tests"]
    }
    verdicts = {
        metric["config"]["column"]: Verdict(
            test=metric["config"]["method"],
            statistic=float(metric["value"]),
            threshold=float(metric["config"]["threshold"]),
            drifted=failed[metric["id"]],
        )
        for metric in found["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    }
    return verdicts, page


def statistic(name: str, reference: Column, current: Column) -> float:
    """Return what Evidently's test for this column gives for two samples."""
    import pandas as pd
    from evidently.legacy.calculations.stattests import jensenshannon_stat_test, ks_stat_test
    from evidently.legacy.core import ColumnType

    test, kind = ks_stat_test, ColumnType.Numerical
    if name == CLASS:
        test, kind = jensenshannon_stat_test, ColumnType.Categorical
    return float(test(pd.Series(reference), pd.Series(current), kind, 0.0).drift_score)


def _threshold(name: str, allowed: Allowed) -> float:
    """Return the threshold, just beyond what is still allowed: Evidently alarms at equality."""
    edge = statistic(name, allowed.reference, allowed.current)
    return float(np.nextafter(edge, np.inf if name == CLASS else -np.inf))
