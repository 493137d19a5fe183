"""What training logs with dvclive, in two folders: what a rerun repeats, and what it does not."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from dvclive import Live, monitor_system

from stages.training.epoch import Epoch


class Curves:
    """Losses, accuracies, learning rate and gradients in one folder; times and load in another.

    The first folder is an output that DVC hashes, so nothing in it may differ from run to run. The
    second has dvclive's page too, `report.html`, anew after each epoch, to watch a run by.
    """

    def __init__(self, curves: Path, timings: Path) -> None:
        """Write to both folders; what dvclive left there is replaced."""
        _leave_out_a_gpu_that_is_not_there()
        quiet = {"save_dvc_exp": False, "dvcyaml": None}  # else it edits dvc.yaml
        self.curves = Live(str(curves), report=None, **quiet)
        self.timings = Live(str(timings), report="html", monitor_system=True, **quiet)
        self.stack = ExitStack()

    def log(self, epoch: Epoch) -> None:
        """Add a point to every curve."""
        for live in (self.curves, self.timings):  # the second for its report
            for split, score in (("train", epoch.train), ("validation", epoch.validation)):
                live.log_metric(f"{split}/loss", score.loss)
                live.log_metric(f"{split}/accuracy", score.accuracy)
            live.log_metric("learning_rate", epoch.learning_rate)
            live.log_metric("gradient_norm", epoch.gradient_norm)
        self.curves.next_step()
        self.timings.log_metric("epoch_seconds", epoch.seconds)
        self.timings.log_metric("images_per_second", epoch.images / epoch.seconds)
        self.timings.next_step()

    def __enter__(self) -> Self:
        self.stack.enter_context(self.curves)
        self.stack.enter_context(self.timings)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stack.__exit__(kind, error, at)


def _leave_out_a_gpu_that_is_not_there() -> None:
    """Where NVIDIA's library does not load, dvclive would log an error and no load at all."""
    try:
        monitor_system.nvmlInit()
    except monitor_system.NVMLError:
        monitor_system.GPU_AVAILABLE = False
