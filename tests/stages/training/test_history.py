"""What a training keeps: the best epoch, whose weights are numbers."""

from math import inf, nan
from pathlib import Path

import pytest

from server.errors import UserError
from stages.training.epoch import Epoch
from stages.training.history import Training
from stages.training.running_scores import Score
from tests.stages.training.test_recipe import build


def epoch(number: int, loss: float) -> Epoch:
    score = Score(accuracy=0.5, loss=loss)
    return Epoch(
        number=number,
        train=score,
        validation=score,
        learning_rate=0.1,
        gradient_norm=1.0,
        seconds=1.0,
        images=1,
    )


@pytest.mark.parametrize(
    ("losses", "best"),
    [((nan, 2.0, 1.0), 3), ((2.0, nan, 1.0), 3), ((1.0, 2.0, nan), 1), ((nan, inf, nan), 2)],
)
def test_a_loss_that_is_no_number_is_never_the_best(
    workspace: Path, losses: tuple[float, ...], best: int
) -> None:
    training = Training(build(), None)
    for number, loss in enumerate(losses, start=1):
        training.add(epoch(number, loss))
    assert training.best.number == best


@pytest.mark.parametrize("value", [nan, inf])
def test_weights_that_are_no_numbers_are_not_kept_whatever_the_loss(
    workspace: Path, value: float
) -> None:
    learner = build(architecture="test_resnet")
    learner.network.body.bn1.running_var[3] = value
    with pytest.raises(UserError, match=r"after epoch 1 weights .* \(body\.bn1\.running_var, 1 of"):
        Training(learner, None).add(epoch(1, 0.5))
