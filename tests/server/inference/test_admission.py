import time

import pytest

from server.errors import Overloaded
from server.inference.admission import Admission


def test_what_does_not_fit_is_refused_and_fits_again_later() -> None:
    admission = Admission(limit=3, wait=60, workers=1)
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
    admission = Admission(limit=3, wait=60, workers=1)
    with admission.enter(10):
        assert admission.depth == 10


def test_the_expected_wait_bounds_the_queue() -> None:
    """Images that leave every 20 ms: five under way mean a wait of a tenth of a second."""
    admission = Admission(limit=100, wait=0.09, workers=1)
    under_way = [admission.enter(1) for _ in range(8)]
    for one in under_way:
        one.__enter__()
    for one in under_way[:3]:
        time.sleep(0.02)
        one.__exit__(None, None, None)
    assert admission.seconds_per_image == pytest.approx(0.02, rel=0.5)
    assert admission.estimate == pytest.approx(0.1, rel=0.5)
    with pytest.raises(Overloaded), admission.enter(1):
        pass
    for one in under_way[3:7]:
        one.__exit__(None, None, None)
    with admission.enter(1):
        pass
    with pytest.raises(Overloaded):
        admission.check(1, turns=65)
    under_way[7].__exit__(None, None, None)


def test_pauses_are_not_taken_for_slowness() -> None:
    admission = Admission(limit=100, wait=1, workers=1)
    for _ in range(5):
        with admission.enter(1):
            pass
        time.sleep(0.01)
    assert admission.seconds_per_image == 0
