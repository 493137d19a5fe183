"""Batches of a few sizes in bound memory: for CUDA, here with the memory of the CPU."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from server.image.decode import decode
from server.inference import served_model
from server.inference.cuda_batches import CudaBatches
from server.inference.predictor import Predictor
from server.model.classifier import Classifier, Floats
from server.model.providers import CUDA, TENSORRT, driver_version
from server.predictions.prediction import Prediction
from server.telemetry.metrics import Metrics
from tests.kit.artefact import write_colour_artefact
from tests.kit.drawing import photograph
from tests.kit.in_process import QUIET
from tests.server.test_stuck import SECONDS

LIMIT = 8


@pytest.fixture(scope="module")
def images(classifier: Classifier) -> list[np.ndarray]:
    pixels = classifier.resizer(decode(photograph()).picture)
    return [np.roll(pixels, shift, axis=1) for shift in range(LIMIT)]


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_neither_the_filling_nor_earlier_images_change_an_answer(
    own: Classifier, images: list[np.ndarray], count: int, graphs: bool
) -> None:
    own.graphs = graphs
    batches = CudaBatches(own, limit=LIMIT, device="cpu")
    expected = own(np.stack(images))
    batches(images)
    for first in (0, LIMIT - count):
        answers = batches(images[first : first + count])
        for answer, output in zip(answers, expected, strict=True):
            assert answer.shape == (count, output.shape[1])
            assert answer == pytest.approx(output[first : first + count], abs=1e-5)


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1]), (5, [1, 2, 4, 8]), (16, [1, 2, 4, 8, 16])])
def test_graphs_have_few_sizes_and_without_them_there_is_one(
    own: Classifier, limit: int, sizes: list[int]
) -> None:
    assert CudaBatches(own, limit=limit, device="cpu").sizes == sizes[-1:]
    own.graphs = True
    assert CudaBatches(own, limit=limit, device="cpu").sizes == sizes


def test_threads_do_not_get_each_others_answers(
    classifier: Classifier, images: list[np.ndarray]
) -> None:
    batches = CudaBatches(classifier, limit=1, device="cpu")
    expected = classifier.probabilities(np.stack(images))
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            answers = list(pool.map(lambda image: batches([image])[0][0], images))
            assert np.stack(answers) == pytest.approx(expected, abs=1e-5)


def test_who_builds_an_engine_for_tensorrt_keeps_no_other_model_waiting(tmp_path: Path) -> None:
    """Where two run on the CPU, called TensorRT, one of which takes seconds."""
    slow, quick = (
        Classifier(write_colour_artefact(tmp_path / f"{slow}.onnx", slow=slow))
        for slow in (True, False)
    )
    slow.provider = quick.provider = TENSORRT
    pixels = slow.resizer(decode(SECONDS).picture)
    building, served = (CudaBatches(one, limit=1, device="cpu") for one in (slow, quick))
    with ThreadPoolExecutor(1) as pool:
        built = pool.submit(building, [pixels])
        while not built.running():
            time.sleep(0.001)
        time.sleep(0.1)
        served([pixels])
        assert not built.done()
        built.result()


def test_who_asks_for_batches_of_one_image_gets_no_larger(
    own: Classifier, images: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        await predictor.predict_pixels(np.stack(images), predictor.model)
        answers = await predictor.predict_batch([photograph()] * LIMIT, predictor.model)
        assert all(isinstance(answer, Prediction) for answer in answers)

    def network(pixels: Sequence[np.ndarray]) -> tuple[Floats, Floats]:
        counts.append(len(pixels))
        return bound(pixels)

    monkeypatch.setattr(served_model, "CudaBatches", partial(CudaBatches, device="cpu"))
    own.provider = CUDA
    predictor, counts = Predictor(own, replace(QUIET, batch=1), Metrics()), list[int]()
    bound, predictor.model.network = predictor.model.network, network
    asyncio.run(scenario())
    predictor.close()
    assert counts == 2 * LIMIT * [1]


@pytest.mark.gpu
@pytest.mark.skipif(driver_version() is None, reason="no NVIDIA driver on this machine")
@pytest.mark.parametrize("graphs", [False, True])
def test_on_a_gpu_bound_memory_and_recorded_graphs_change_no_answer(
    model: Path, classifier: Classifier, images: list[np.ndarray], graphs: bool
) -> None:
    expected = classifier.probabilities(np.stack(images))
    batches = CudaBatches(Classifier(model, graphs=graphs), limit=LIMIT)
    for count in (1, 3, 8, 3, 1):
        assert batches(images[:count])[0] == pytest.approx(expected[:count], abs=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(driver_version() is None, reason="no NVIDIA driver on this machine")
@pytest.mark.parametrize("graphs", [False, True])
def test_on_a_gpu_another_number_of_images_costs_no_new_plan(
    model: Path, images: list[np.ndarray], graphs: bool
) -> None:
    batches = CudaBatches(Classifier(model, graphs=graphs), limit=LIMIT)

    def seconds(counts: list[int]) -> float:
        began = time.perf_counter()
        for count in counts:
            batches(images[:count])
        return time.perf_counter() - began

    seconds([1, 8] * 5)
    assert seconds([1, 2, 5, 8] * 10) < 3 * seconds([8] * 40)
