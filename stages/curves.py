"""What training logs with dvclive, in two folders: what a rerun repeats, and what it does not."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from dvclive import Live, monitor_system

from stages.epoch import Epoch


class Curves:
    """Losses, accuracies and the learning rate in one folder, times and the machine's load apart.

    The first folder is an output that DVC hashes, so nothing in it may differ from run to run.
    """

    def __init__(self, curves: Path, timings: Path) -> None:
        """Write to both folders; what dvclive left there is replaced."""
        _leave_out_a_gpu_that_is_not_there()
        quiet = {"save_dvc_exp": False, "dvcyaml": None, "report": None}  # else it edits dvc.yaml
        self.curves = Live(str(curves), **quiet)
        self.timings = Live(str(timings), monitor_system=True, **quiet)
        self.stack = ExitStack()

    def log(self, epoch: Epoch) -> None:
        """Add a point to every curve."""
        for split, score in (("train", epoch.train), ("validation", epoch.validation)):
            self.curves.log_metric(f"{split}/loss", score.loss)
            self.curves.log_metric(f"{split}/accuracy", score.accuracy)
        self.curves.log_metric("learning_rate", epoch.learning_rate)
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
