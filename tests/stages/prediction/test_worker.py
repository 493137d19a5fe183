from pathlib import Path

import numpy as np
import pytest

from server.model.classifier import Classifier
from stages.prediction.listing import Listed
from stages.prediction.pool import ask
from stages.prediction.worker import Worker
from tests.kit.artefact import coloured, write_colour_artefact


@pytest.fixture
def classifier(elsewhere: Path) -> Classifier:
    return Classifier(write_colour_artefact(elsewhere / "model.onnx"))


@pytest.fixture
def files(elsewhere: Path) -> list[Listed]:
    """Eleven images, more than the network is asked at once, with others between."""
    files = []
    for number in range(13):
        path = elsewhere / str(number)
        if number in (3, 7):
            path.write_text("no image")
        else:
            coloured(("red", "lime", "blue")[number % 3]).save(path, "PNG")
        files.append(Listed(path.name, str(path)))
    return files


def test_a_gpu_gets_batches_of_one_size_and_answers_as_a_core_does(
    classifier: Classifier, files: list[Listed]
) -> None:
    here = Worker(classifier.resizer)(files)
    there = Worker(classifier.resizer, classifier)(files)
    assert here.facts == there.facts
    assert here.outputs is None
    assert there.pixels is None
    assert here.pixels is not None
    assert there.outputs is not None
    assert here.pixels.shape == (11, 32, 32, 3)
    for one, other in zip(ask(classifier, here.pixels), there.outputs, strict=True):
        assert len(one) == 11
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_batch_without_images_asks_nobody(classifier: Classifier, elsewhere: Path) -> None:
    batch = Worker(classifier.resizer, classifier)([Listed("a", "a"), Listed("b", "b", "hidden")])
    assert batch.outputs is batch.pixels is None
    assert [fact["reason"] for fact in batch.facts] == [
        "unreadable: No such file or directory",
        "hidden",
    ]
