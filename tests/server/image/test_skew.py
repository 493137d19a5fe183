from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from server.app import create_app
from server.image.resize_mode import ResizeFilter, ResizeMode
from server.model.classifier import Classifier
from server.settings import Settings
from tests.kit.artefact import PROBABILITIES, SIZE, write_pixel_artefact
from tests.kit.stage import run_stage


@pytest.mark.parametrize("mode", ["crop", "pad", "squash"])
@pytest.mark.parametrize(("resampling", "store"), [("bilinear", 1.0), ("lanczos", 1.5)])
def test_a_posted_file_reaches_the_session_as_the_pixels_that_prepare_stored(
    photographs: Path, tmp_path: Path, mode: str, resampling: str, store: float
) -> None:
    prepared = tmp_path / "prepared"
    assert (
        run_stage(
            "prepare",
            source=photographs,
            image_size=SIZE,
            resize_mode=mode,
            resize_filter=resampling,
            store=store,
            prepared=prepared,
            metrics=tmp_path / "prepare.json",
        )
        == 0
    )
    model = write_pixel_artefact(
        tmp_path / "model.onnx",
        PROBABILITIES,
        resize_mode=ResizeMode(mode),
        resize_filter=ResizeFilter(resampling),
    )
    client = TestClient(create_app(Classifier(model), Settings(prediction_log="off")))
    stored = np.load(prepared / "shard-00000.npy")
    rows = pq.read_table(prepared / "samples.parquet").to_pylist()
    assert len(rows) == len(stored)
    for row in rows[::7]:
        files = {"image": (photographs / row["path"]).read_bytes()}
        answer = client.post("/predict", files=files).json()
        seen = np.array(list(answer["probabilities"].values())).reshape(SIZE, SIZE, 3)
        pixels = stored[row["index"]]
        assert np.array_equal(np.rint(seen * pixels.sum(dtype=float)), pixels)
