"""Batches answered by the workers of a cluster, each of which reads files and asks the network."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from server.image.resize import Resizer
from server.model.classifier import Classifier
from server.model.policy import ProviderPolicy
from stages.prediction.listing import Listed
from stages.prediction.model import Model
from stages.prediction.parts import Task
from stages.prediction.worker import Batch, Worker
from stages.sources.cluster import in_cluster
from stages.sources.spread import places


@contextmanager
def cluster(
    classifier: Classifier, model: Model
) -> Iterator[Callable[[Iterable[Task]], Iterator[tuple[Task, Batch]]]]:
    """Yield what does tasks as a `Pool` does; `model`: sent to each worker once, with its bytes."""
    yield partial(_answered, classifier, model)


def _answered(
    classifier: Classifier, model: Model, tasks: Iterable[Task]
) -> Iterator[tuple[Task, Batch]]:
    """Yield each task with what becomes of its files, in order; raise what `in_cluster` raises."""
    waiting: deque[Task] = deque()

    def calls() -> Iterator[tuple[str, Resizer, list[Listed]]]:
        for task in tasks:
            waiting.append(task)
            where = places([file.file for file in task.files])
            files = [one._replace(file=file) for one, file in zip(task.files, where, strict=True)]
            yield classifier.name, classifier.resizer, files

    for batch in in_cluster(_answer, calls(), shared=model):
        yield waiting.popleft(), batch


def _answer(model: Model, name: str, resizer: Resizer, files: Sequence[Listed]) -> Batch:
    """Do a batch on a worker, which keeps the network that was asked last, by its name."""
    if name not in _workers:
        _workers.clear()
        _workers[name] = Worker(resizer, Classifier(model, policy=ProviderPolicy.CPU, threads=1))
    return _workers[name](files)


_workers: dict[str, Worker] = {}
