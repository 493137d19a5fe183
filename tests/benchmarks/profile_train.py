"""Where the time of a training step goes, with the parameters of params.yaml.

python -m tests.benchmarks.profile_train

Prints the top operators and the wait for data, and writes a Chrome trace. Reads data/prepared.
"""

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.profiler import ProfilerActivity

from stages.data.dataset import Dataset, Split
from stages.training.build import build_learner
from stages.training.device import Device, be_deterministic, choose, keep_memory
from stages.training.distributed import ProcessGroup
from stages.training.epoch import batches
from stages.training.learner import Batch, Learner
from stages.training.seeds import Seeds
from stages.training.suggestions import resolve

TRACE = Path("data/timings/train/trace.json")
WARM, STEPS = 2, 8
ROWS = 15


class TimedBatches:
    """Batches, and the seconds that their reader waited for them."""

    def __init__(self, stream: Iterable[Batch]) -> None:
        self.stream = iter(stream)
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Batch]:
        while True:
            start = time.perf_counter()
            batch = next(self.stream, None)
            self.seconds += time.perf_counter() - start
            if batch is None:
                return
            yield batch


def profile(learner: Learner, train: Split, batch_size: int) -> None:
    """Take some steps to warm up and some under the profiler; print and write what it saw."""
    cuda = learner.processes.device.type == "cuda"
    wanted = (WARM + STEPS) * learner.accumulate * batch_size
    order = torch.arange(wanted).remainder(len(train)).numpy()
    stream = batches(train, order, batch_size, learner.processes)
    learner.learn(islice(stream, WARM * learner.accumulate))
    timed = TimedBatches(stream)
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * cuda
    with torch.profiler.profile(activities=activities) as profiler:
        start = time.perf_counter()
        learner.learn(timed)
        if cuda:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    TRACE.parent.mkdir(parents=True, exist_ok=True)
    profiler.export_chrome_trace(str(TRACE))
    by = f"self_{'cuda' if cuda else 'cpu'}_time_total"
    print(profiler.key_averages().table(sort_by=by, row_limit=ROWS, max_name_column_width=40))
    images = STEPS * learner.accumulate * batch_size
    print(
        f"{STEPS} steps of {images // STEPS} images in {seconds:.1f} s, {images / seconds:.0f} "
        f"images/s under the profiler; {timed.seconds / seconds:.1%} of it waiting for data\n"
        f"trace: {TRACE} (chrome://tracing or https://ui.perfetto.dev)"
    )


def main() -> None:
    """Build the learner that `stages.train` would, and profile it."""
    options: dict[str, Any] = yaml.safe_load(Path("params.yaml").read_text())["train"]
    processes = ProcessGroup(choose(Device(options["device"])))
    keep_memory()
    be_deterministic()
    dataset = Dataset.open(Path("data/prepared"))
    train, side = dataset.split_to_learn_from(), dataset.card.image_size
    options = resolve(options, dataset.card.suggestions)
    learner = build_learner(options, train, processes, Seeds(options["seed"]), image_size=side)
    profile(learner, train, options["batch_size"])


if __name__ == "__main__":
    main()
