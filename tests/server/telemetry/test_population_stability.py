from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chi2

from server.image.features import FEATURES
from server.predictions.prediction import Picture, Prediction
from server.telemetry.metrics import Metrics
from server.telemetry.population_stability import ALARMS, FEWEST, Bins, Stability
from stages.artefact.reference_histograms import reference_histograms


def prediction(rng: np.random.Generator, *, darker: float = 0.0) -> Prediction:
    features = {name: float(rng.random()) for name in FEATURES}
    features["brightness"] -= darker
    confidence = float(rng.uniform(0.5, 1))
    first = rng.random() < 0.7
    return Prediction(
        id="1",
        time=datetime(2026, 11, 24, tzinfo=UTC),
        model="m",
        revision="",
        probabilities={"a": confidence, "b": 1 - confidence} if first
        else {"a": 1 - confidence, "b": confidence},
        threshold=0.0,
        picture=Picture(width=1, height=1, format="PNG", features=features, sha256="0"),
        provider="",
        milliseconds={},
    )  # fmt: skip


def reference_of(rng: np.random.Generator) -> dict[str, object]:
    rows = [prediction(rng).row(20) for _ in range(400)]
    return reference_histograms(pa.Table.from_pylist(rows), ["a", "b"])


@pytest.fixture
def reference() -> dict[str, object]:
    return reference_of(np.random.default_rng(0))


def test_what_has_not_changed_is_beyond_chance_in_few_windows() -> None:
    beyond = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        stability = Stability(reference_of(rng), window=500)
        for _ in range(300):
            stability.observe(prediction(rng))
        beyond.append(stability.share_drifted() > 0)
    print(f"{np.mean(beyond):.1%} of windows are beyond chance, where {ALARMS:.0%} should be")
    assert abs(np.mean(beyond) - ALARMS) < 3 * np.sqrt(ALARMS * (1 - ALARMS) / len(beyond))


def test_darker_images_move_brightness_alone(reference: dict[str, object]) -> None:
    rng = np.random.default_rng(1)
    stability = Stability(reference, window=500)
    for _ in range(300):
        stability.observe(prediction(rng, darker=0.4))
    assert stability.share_drifted() == pytest.approx(1 / 7)
    assert stability.columns["brightness"].index() > 1
    assert stability.columns["confidence"].index() < 0.2


def test_the_window_forgets(reference: dict[str, object]) -> None:
    rng = np.random.default_rng(1)
    stability = Stability(reference, window=200)
    for darker in (0.4, 0.0):
        for _ in range(200):
            stability.observe(prediction(rng, darker=darker))
    assert stability.columns["brightness"].index() < 0.2
    assert sum(stability.columns["class"].window) == 200


def test_few_predictions_alarm_nobody(reference: dict[str, object]) -> None:
    rng = np.random.default_rng(1)
    stability = Stability(reference, window=500)
    for _ in range(FEWEST - 1):
        stability.observe(prediction(rng, darker=1.0))
    assert stability.share_drifted() == 0
    stability.observe(prediction(rng, darker=1.0))
    assert stability.share_drifted() > 0


def test_a_class_that_the_reference_lacks_gets_a_bin() -> None:
    bins = Bins({"a": 3}, categories=True)
    bins.window[bins.place("b")] += 5
    assert (bins.reference, bins.window) == ([3, 0], [0, 5])
    assert bins.index() > 0


def test_the_gauges_are_in_the_metrics(reference: dict[str, object]) -> None:
    metrics, stability = Metrics(), Stability(reference, window=500)
    stability.show(metrics)
    rng = np.random.default_rng(1)
    for _ in range(150):
        stability.observe(prediction(rng, darker=0.5))
    text = metrics.exposition().decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[:1] != "#")
    for name in ("class", "confidence", "brightness"):
        index = float(values[f'drift_population_stability_index{{column="{name}"}}'])
        assert index == stability.columns[name].index()
    assert float(values["drift_share"]) == pytest.approx(1 / 7)
    assert float(values["drift_window_predictions"]) == 150
    assert values["monitoring_share_drifted"] == "NaN"


@pytest.mark.parametrize(("rate", "freedom"), [(0.05, 1), (0.01, 1), (0.05, 9), (0.007, 9)])
def test_chance_is_near_the_quantile_of_chi_squared(rate: float, freedom: int) -> None:
    bins = Bins({str(name): 50 for name in range(freedom + 1)}, categories=True)
    bins.window[0] = 300
    scale = 1 / 300 + 1 / (50 * (freedom + 1))
    assert bins.by_chance(rate) == pytest.approx(scale * chi2.isf(rate, freedom), rel=0.04)
