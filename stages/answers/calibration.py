"""Temperature scaling, and the confidence below which the model abstains."""

import numpy as np

from stages.answers.scores import Labels, Numbers, Probabilities

COLDEST, HOTTEST = 0.05, 20.0


def apply_temperature(probabilities: Probabilities, temperature: float) -> Numbers:
    """Return probabilities `[n, classes]` as they would be with their logits over `temperature`.

    A softmax's logits are its logarithms up to a constant, which the next softmax takes away.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), 1e-30)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def cross_entropy(probabilities: Probabilities, labels: Labels) -> float:
    """Return the mean negative logarithm of the probability of the true class, in nats."""
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(true, 1e-30)).mean())


def fit_temperature(probabilities: Probabilities, labels: Labels) -> float:
    """Return the temperature of least cross-entropy on validation.

    Guo et al. 2017, "On calibration of modern neural networks".
    """
    from scipy.optimize import minimize_scalar

    def loss(temperature: float) -> float:
        return cross_entropy(apply_temperature(probabilities, temperature), labels)

    best = minimize_scalar(
        lambda log: loss(float(np.exp(log))),
        bounds=(np.log(COLDEST), np.log(HOTTEST)),
        method="bounded",
        options={"xatol": 1e-6},
    )
    # the search ends beside a bound, or on the flat way to it, never on it
    return min(COLDEST, HOTTEST, round(float(np.exp(best.x)), 6), key=loss)


def temperature_bound(temperature: float) -> str:
    """Return what it means that a fitted temperature is at the end of its range; "" elsewhere.

    There the minimum of the cross-entropy lies outside, if there is one.
    """
    if temperature <= COLDEST:
        return (
            f"{COLDEST} is the lowest temperature that is tried: nearly all answers on validation "
            "are right, so it cannot tell how sure to be; use more or harder validation images"
        )
    if temperature >= HOTTEST:
        return (
            f"{HOTTEST:g} is the highest temperature that is tried: on validation the answers are "
            "no better than chance, so all classes get nearly equal probabilities"
        )
    return ""


def abstain_threshold(probabilities: Probabilities, labels: Labels, *, target: float) -> float:
    """Return the least confidence at and above which a share `target` of answers is right.

    Of all such thresholds the one that answers most images; 0 where all are answered, and above 1
    where no threshold reaches the target (Chow 1970, "On optimum recognition error and reject
    tradeoff").
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    order = np.argsort(-confidence, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    last_of_its_confidence = np.append(np.diff(confidence[order]) != 0, True)
    enough = np.flatnonzero((share >= target) & last_of_its_confidence)
    if not len(enough):
        return 1.01
    return 0.0 if enough[-1] == len(order) - 1 else float(confidence[order][enough[-1]])
