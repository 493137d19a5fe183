"""dvclive's logs of training, in two folders: what a rerun repeats, and what it does not."""

from contextlib import ExitStack
from pathlib import Path

from dvclive import Live, monitor_system

from stages.training.epoch import Epoch


class DvcliveLogs(ExitStack):
    """Losses, accuracies, learning rate and gradients in one folder; times and load in another.

    The first folder is an output that DVC hashes, so nothing in it may differ from run to run. The
    second has dvclive's page too, `report.html`, anew after each epoch, to watch a run by. What
    dvclive left in either is replaced. Where not `enabled`, nothing is written.
    """

    def __init__(self, curves: Path, timings: Path, *, enabled: bool = True) -> None:
        super().__init__()
        self.enabled = enabled
        if not enabled:
            return
        try:
            monitor_system.nvmlInit()
        except monitor_system.NVMLError:  # else dvclive logs an error for a GPU, and no load at all
            monitor_system.GPU_AVAILABLE = False
        quiet = {"save_dvc_exp": False, "dvcyaml": None}  # else it edits dvc.yaml
        self.curves = self.enter_context(Live(str(curves), report=None, **quiet))
        self.timings = self.enter_context(
            Live(str(timings), report="html", monitor_system=True, **quiet)
        )

    def log(self, epoch: Epoch) -> None:
        """Add a point to every curve."""
        if not self.enabled:
            return
        for live in (self.curves, self.timings):  # the second for its page
            live.step = epoch.number  # from 1, as everywhere
            for split, score in (("train", epoch.train), ("validation", epoch.validation)):
                live.log_metric(f"{split}/loss", score.loss)
                live.log_metric(f"{split}/accuracy", score.accuracy)
            live.log_metric("learning_rate", epoch.learning_rate)
            live.log_metric("gradient_norm", epoch.gradient_norm)
        self.timings.log_metric("epoch_seconds", epoch.seconds)
        self.timings.log_metric("images_per_second", epoch.images_per_second)
        self.curves.next_step()
        self.timings.next_step()
