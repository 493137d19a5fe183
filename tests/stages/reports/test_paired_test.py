import numpy as np
import pytest

from stages.reports.paired_test import mcnemar, paired_test


def flags(*counts: int) -> tuple[np.ndarray, np.ndarray]:
    """Images right twice, right before only, right after only, wrong twice."""
    was = np.repeat([True, True, False, False], counts)
    now = np.repeat([True, False, True, False], counts)
    return was, now


def test_mcnemar_of_a_table_that_is_in_print() -> None:
    # Fay 2011, "Exact McNemar's Test and Matching Confidence Intervals": 9 and 2 discordant pairs
    assert mcnemar(9, 2) == pytest.approx(0.06543, abs=1e-5)
    assert mcnemar(2, 9) == mcnemar(9, 2)


def test_identical_answers_are_no_evidence() -> None:
    test = paired_test(*flags(80, 0, 0, 20), [""] * 100)
    assert (test.p_value, test.low, test.high) == (1, 0, 0)
    assert test.sentence("a few") == "On a few: right on the same ones, and wrong on the same."


def test_the_sentence_says_what_the_interval_does() -> None:
    better = paired_test(*flags(400, 10, 50, 40), [""] * 500)
    assert better.sentence("all").startswith("On all: better by 8.0 points, 95 % interval ")
    assert better.p_value < 0.001
    worse = paired_test(*flags(400, 50, 10, 40), [""] * 500)
    assert worse.sentence("all").startswith("On all: worse by 8.0 points, 95 % interval ")
    assert worse.low < -0.08 < worse.high < 0
    same = paired_test(*flags(400, 25, 27, 48), [""] * 500)
    assert same.sentence("all").startswith(
        "On all: no difference that so many can show, +0.4 points, 95 % interval -"
    )
    assert same.p_value > 0.5


def test_the_interval_covers_the_true_difference() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(150):
        draw = rng.choice(4, size=300, p=[0.75, 0.06, 0.1, 0.09])
        before, after = (draw == 0) | (draw == 1), (draw == 0) | (draw == 2)
        test = paired_test(before, after, [""] * 300, seed=seed)
        covered += test.low <= 0.04 <= test.high
    assert 0.88 <= covered / 150 <= 0.99


def test_images_of_one_group_count_once() -> None:
    was, now = flags(60, 5, 15, 20)
    alone = paired_test(was, now, [""] * 100)
    copies = np.repeat(np.arange(100), 4)
    grouped = paired_test(was[copies], now[copies], [str(index) for index in copies])
    assert grouped.high - grouped.low == pytest.approx(alone.high - alone.low, rel=0.15)
