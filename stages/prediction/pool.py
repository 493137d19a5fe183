"""A process a core that reads and decodes; the network there on the CPU, here on CUDA."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context

import numpy as np

from server.errors import UserError
from server.image.resize import Pixels
from server.inference.cores import cores
from server.model.classifier import Classifier, Readable
from server.model.providers import CUDA
from stages.prediction.parts import BATCH, Task
from stages.prediction.worker import Batch, Outputs, start, work

AHEAD = 4  # batches a process, so that memory does not grow with the number of files


class Pool:
    """Answers batches of files on all cores; memory does not grow by their number."""

    def __init__(self, pool: ProcessPoolExecutor, network: Classifier | None) -> None:
        self._pool = pool
        self._network = network
        self._ahead = AHEAD * cores()

    def __call__(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Batch]]:
        """Yield each task with what becomes of its files, in order; no pixels, but outputs.

        Raises `UserError` where a bucket fails, or the system ends a process.
        """
        waiting: deque[tuple[Task, Future[Batch]]] = deque()
        try:
            for task in tasks:
                waiting.append((task, self._pool.submit(work, task.files)))
                if len(waiting) >= self._ahead:
                    yield self._answered(*waiting.popleft())
            while waiting:
                yield self._answered(*waiting.popleft())
        except BrokenProcessPool:
            raise UserError(
                "a process that decodes was ended from outside, perhaps for want of memory; "
                "run the same command again to go on"
            ) from None

    def _answered(self, task: Task, future: Future[Batch]) -> tuple[Task, Batch]:
        batch = future.result()
        if batch.pixels is None:
            return task, batch
        assert self._network
        return task, Batch(batch.facts, outputs=ask(self._network, batch.pixels))


@contextmanager
def pool(classifier: Classifier, model: Readable) -> Iterator[Pool]:
    """Start the processes.

    classifier: the artefact, opened; asked here where it is on CUDA.
    model: where each process reads it, to ask it on the CPU.
    """
    on_cuda = classifier.provider == CUDA
    # spawn, not fork: nothing of this process's threads and buffers is copied
    processes = ProcessPoolExecutor(
        cores(),
        mp_context=get_context("spawn"),
        initializer=start,
        initargs=(classifier.resizer, None if on_cuda else model),
    )
    try:
        yield Pool(processes, classifier if on_cuda else None)
    finally:
        processes.shutdown(cancel_futures=True)


def ask(classifier: Classifier, images: Pixels) -> Outputs:
    """Ask the network about up to `BATCH` images, filled up with black to one size.

    For another size CUDA plans all convolutions anew, and may round otherwise.
    """
    batch = np.zeros((BATCH, *images.shape[1:]), np.uint8)
    batch[: len(images)] = images
    probabilities, embeddings = classifier(batch)
    return probabilities[: len(images)], embeddings[: len(images)]
