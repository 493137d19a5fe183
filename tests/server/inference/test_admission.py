import pytest

from server.errors import Overloaded
from server.inference.admission import Admission
from server.inference.running_mean import RunningMean


def admission_of(
    *, limit: int = 100, wait: float = 60, workers: int = 1, cost: float = 0
) -> Admission:
    return Admission(limit=limit, wait=wait, workers=workers, cost=lambda: cost)


def test_what_does_not_fit_is_refused_and_fits_again_later() -> None:
    admission = admission_of(limit=3)
    with admission.enter(2):
        with pytest.raises(Overloaded) as refused, admission.enter(2):
            pass
        assert refused.value.retry_after == 1
        with admission.enter(1):
            assert admission.depth == 3
    assert admission.depth == 0
    with admission.enter(3):
        pass


def test_a_batch_larger_than_the_limit_is_taken_when_nothing_else_is_under_way() -> None:
    admission = admission_of(limit=3)
    with admission.enter(10):
        assert admission.depth == 10


def test_the_expected_wait_bounds_the_queue() -> None:
    """Images that leave every 20 ms: five before it mean a wait of a tenth of a second."""
    admission = admission_of(wait=0.11, cost=0.02)
    with admission.enter(5):
        assert admission.estimate == pytest.approx(0.1)
        with pytest.raises(Overloaded):
            admission.check(1, turns=65)
        with admission.enter(1), pytest.raises(Overloaded), admission.enter(1):
            pass


def test_nobody_waits_while_a_worker_is_free() -> None:
    """However slow images are: else one slow image would close all workers but one for good."""
    admission = admission_of(wait=2.5, workers=3, cost=5)
    with admission.enter(1), admission.enter(1), admission.enter(1):
        with pytest.raises(Overloaded) as refused:
            admission.check(1)
        assert refused.value.retry_after == 5


def test_work_that_does_not_come_back_refuses_others_also_when_nobody_waits_for_it() -> None:
    busy_seconds = 0.0
    admission = Admission(
        limit=9, wait=2.5, workers=1, cost=lambda: 0.01, busy_seconds=lambda: busy_seconds
    )
    admission.check(1)
    busy_seconds = 2.6
    with pytest.raises(Overloaded) as refused:
        admission.check(1)
    assert refused.value.retry_after == 3
    busy_seconds = 0.0
    admission.check(1)


def test_a_cost_is_the_running_mean_and_no_odd_item_stands_for_all() -> None:
    cost = RunningMean(most=5)
    assert cost() == 0
    for _ in range(100):
        cost.learn(0.01)
    assert cost() == pytest.approx(0.01)
    cost.learn(3600)
    assert cost() < 0.3
    for _ in range(100):
        cost.learn(0.01)
    assert cost() == pytest.approx(0.01, abs=0.01)
