"""Where the time of training goes."""

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity

from stages.data.dataset import Split
from stages.training.epoch import batches
from stages.training.learner import Batch, Learner

TRACE = "trace.json"
WARM, STEPS = 2, 8
ROWS = 15


def profile(learner: Learner, train: Split, *, batch_size: int, trace: Path) -> None:
    """Take some steps; print the top operators and the wait for data, write a Chrome trace."""
    device = learner.processes.device
    wanted = (WARM + STEPS) * learner.accumulate * batch_size
    order = torch.arange(wanted).remainder(len(train)).numpy()
    stream = batches(train, order, batch_size, learner.processes)
    learner.learn(islice(stream, WARM * learner.accumulate))
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
    waited = _Waited(stream)
    with torch.profiler.profile(activities=activities) as seen:
        start = time.perf_counter()
        learner.learn(waited)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    if not learner.processes.first:
        return
    trace.parent.mkdir(parents=True, exist_ok=True)
    seen.export_chrome_trace(str(trace))
    by = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
    print(seen.key_averages().table(sort_by=by, row_limit=ROWS, max_name_column_width=40))
    images = STEPS * learner.accumulate * batch_size
    print(
        f"{STEPS} steps of {images // STEPS} images in {seconds:.1f} s, {images / seconds:.0f} "
        f"images/s under the profiler; {waited.seconds / seconds:.1%} of it waiting for data\n"
        f"trace: {trace} (chrome://tracing or https://ui.perfetto.dev)"
    )


class _Waited:
    """Batches, and how long somebody waited for them."""

    def __init__(self, stream: Iterator[Batch]) -> None:
        self.stream = stream
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Batch]:
        while True:
            start = time.perf_counter()
            batch = next(self.stream, None)
            self.seconds += time.perf_counter() - start
            if batch is None:
                return
            yield batch
