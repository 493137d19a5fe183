"""The history of a training: its epochs, the best weights, and resuming after a kill."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from math import isnan
from operator import itemgetter

from torch import Tensor

from server.errors import UserError
from stages.network.matching import not_finite
from stages.training.epoch import Epoch
from stages.training.learner import Learner
from stages.training.resume import ResumeState, load
from stages.training.running_scores import Score


class Training:
    """The epochs so far and the best weights; all is saved after each epoch.

    learner: what the state is taken from, and given to on a resume.
    resume_state: where it is saved; None where another process does it.
    """

    def __init__(self, learner: Learner, resume_state: ResumeState | None) -> None:
        self.learner = learner
        self.resume_state = resume_state
        self.epochs: list[Epoch] = []
        self.best_weights: dict[str, Tensor] = {}

    @property
    def best(self) -> Epoch:
        """The first epoch with the lowest loss on validation; one that is NaN is never it."""
        losses = ((isnan(epoch.validation.loss), epoch.validation.loss) for epoch in self.epochs)
        return min(zip(losses, self.epochs, strict=True), key=itemgetter(0))[1]

    def remaining(self, epochs: int, patience: int) -> Iterator[int]:
        """Yield the numbers of the epochs to come, each when the one before has been added.

        Ends after `epochs`, or when `patience` epochs in a row were not the best; 0 is off.
        """
        for number in range(len(self.epochs) + 1, epochs + 1):
            if patience and self.epochs and number > self.best.number + patience:
                return
            yield number

    def add(self, epoch: Epoch) -> None:
        """Add an epoch that has just ended, and save; `UserError` where its weights are broken."""
        learner = self.learner
        self.epochs.append(epoch)
        if self.best is epoch:
            weights = learner.result.state_dict()
            self.best_weights = {name: tensor.cpu().clone() for name, tensor in weights.items()}
            _check(self.best_weights, epoch.number)
        if self.resume_state:
            state = {
                "learner": learner.state_dict(),
                "epochs": [asdict(epoch) for epoch in self.epochs],
                "best_weights": self.best_weights,
            }
            self.resume_state.save(epoch.number, state)

    @contextmanager
    def said_when_stopped(self) -> Iterator[None]:
        """Say at Ctrl-C from where the training will go on."""
        try:
            yield
        except KeyboardInterrupt:
            last = f"after epoch {self.epochs[-1].number}" if self.epochs else "from the start"
            print(f"train: stopped; the same command goes on {last}", flush=True)
            raise

    def resume(self) -> bool:
        """Take up the training of these settings that was killed, if there is one."""
        data = self.resume_state.newest() if self.resume_state else b""
        data = self.learner.processes.broadcast(data)
        if not data:
            return False
        state = load(data)
        self.learner.load_state_dict(state["learner"])
        for values in state["epochs"]:
            scores = {name: Score(**values[name]) for name in ("train", "validation")}
            self.epochs.append(Epoch(**{**values, **scores}))
        self.best_weights = state["best_weights"]
        return True


def _check(weights: dict[str, Tensor], epoch: int) -> None:
    """Raise `UserError` for weights that are no numbers; a loss need not show them.

    The variance of a batch norm that grew to infinity makes its outputs zero, not NaN.
    """
    if broken := not_finite(weights):
        raise UserError(
            f"train: after epoch {epoch} weights are no finite numbers ({broken}); lower train.lr"
        )
