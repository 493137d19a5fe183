"""A model that answers: an artefact, and how its network is asked about several images at once."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from server.image.resize import Pixels
from server.inference.cuda_batches import CudaBatches
from server.model.classifier import Classifier, Floats, Readable
from server.settings import Settings

CUDA_BATCH = 16

Network = Callable[[Sequence[Pixels]], tuple[Floats, Floats]]


def open_artefact(file: Readable, settings: Settings) -> Classifier:
    """Open a file as the settings ask, or raise `ModelError`."""
    return Classifier(
        file,
        policy=settings.provider,
        threads=settings.threads,
        graphs=settings.cuda_graphs,
        engines=Path(settings.tensorrt_engines),
    )


class ServedModel:
    """An artefact that is ready to answer; each image on its way holds the one that is to do so.

    network: probabilities `[n, classes]` and embeddings `[n, features]` of n images; any thread.
    failing: whether the network has failed since somebody last set this to False.
    """

    def __init__(self, classifier: Classifier, *, batch: int) -> None:
        """Prepare the memory of batches; on a GPU they all run once.

        batch: images a run takes at most; 0: as many as pay, 1 on the CPU.
        """
        self.classifier, self.resizer = classifier, classifier.resizer
        self.name, self.metadata = classifier.name, classifier.metadata
        self.batch = batch or (CUDA_BATCH if classifier.on_gpu else 1)
        self.network: Network = (
            CudaBatches(classifier, limit=self.batch)
            if classifier.on_gpu
            else lambda images: classifier(_stacked(images))
        )
        self.failing = False

    def warm_up(self) -> None:
        """Run the network once, so that nobody waits for what its first run sets up."""
        size = self.metadata.image_size
        with suppress(Exception):  # it will be met again, by somebody who says so
            self.network([np.zeros((size, size, 3), np.uint8)])


def _stacked(images: Sequence[Pixels]) -> Pixels:
    return images[0][np.newaxis] if len(images) == 1 else np.stack(images)
