"""Over two hundred files and requests that are no good: 4xx, never a fault, and nothing stays."""

import io
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image

from server.errors import ImageError
from server.image.decode import decode
from server.model.classifier import Classifier
from tests.kit import structures
from tests.kit.corpus import WHOLE, forms, foul, spoilt, torn
from tests.kit.drawing import encoded
from tests.kit.live import Live
from tests.kit.stage import run_stage

GROWTH = 30_000_000  # bytes of resident memory that a second time through all of it may add


def pixels(data: bytes) -> np.ndarray | None:
    """Return what `data` shows, or None where it is refused."""
    try:
        return np.asarray(decode(data).picture)
    except ImageError:
        return None


def rightly_answered(live: Live) -> bool:
    """Whether the next good request gets its answer."""
    answer = live.client.post("/predict", content=WHOLE["png-RGB"])
    again = live.client.post("/predict", content=WHOLE["bmp-RGB"])  # the same pixels
    return answer.json()["probabilities"] == again.json()["probabilities"]


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_odd_but_sound_is_answered(live: Live, name: str) -> None:
    answer = live.client.post("/predict", content=WHOLE[name])
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", WHOLE)
def test_a_torn_image_is_refused_or_complete(name: str) -> None:
    whole = pixels(WHOLE[name])
    cuts = {cut: data for cut, data in torn().items() if cut.startswith(f"{name}-cut-")}
    assert len(cuts) > 8
    for cut, data in cuts.items():
        found = pixels(data)
        assert found is None or np.array_equal(found, whole), cut


def test_bad_files_get_400_or_413_and_memory_stays_flat(live: Live) -> None:
    fouls = foul()
    others = torn() | spoilt()
    assert len(fouls) + len(others) > 200
    server = psutil.Process(live.process.pid)
    resident = []
    for _ in range(2):
        for name, data in fouls.items():
            answer = live.client.post("/predict", content=data)
            assert answer.status_code in (400, 413), name
            assert answer.json()["detail"].startswith("image: "), name
        for name, data in others.items():
            answer = live.client.post("/predict", files={"image": (name, data)})
            assert answer.status_code in (200, 400, 413), name
        assert rightly_answered(live)
        resident.append(server.memory_info().rss)
    assert resident[1] - resident[0] < GROWTH, resident
    assert not [line for line in live.logged() if line["level"] == "error"]
    assert live.process.poll() is None


@pytest.mark.parametrize("name", forms())
def test_bad_requests_get_4xx(live: Live, name: str) -> None:
    kind, body = forms()[name]
    answer = live.client.post("/predict", content=body, headers={"Content-Type": kind})
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert rightly_answered(live)


def test_a_bomb_is_refused_before_it_is_decoded(live: Live) -> None:
    server = psutil.Process(live.process.pid)
    before = server.memory_info().rss
    for _ in range(20):
        answer = live.client.post("/predict", content=foul()["png-bomb"])
        assert answer.status_code == 413
        assert "more pixels than the limit" in answer.json()["detail"]
    assert server.memory_info().rss - before < GROWTH


def test_a_jpeg_of_too_many_scans_is_refused_with_the_limit(live: Live) -> None:
    data = structures.jpeg(8000, 8000, refinements=2000)
    answer = live.client.post("/predict", content=data)
    assert answer.status_code == 413
    assert "over the limit of" in answer.json()["detail"]
    assert "2,002 scans" in answer.json()["detail"]
    assert 'http_errors_total{reason="size"}' in live.client.get("/metrics").text
    batch = live.client.post("/predict_batch", files=[("images", ("a.jpg", data))])
    assert batch.json()["results"][0]["error"]["status"] == 413, batch.text


def test_prepare_takes_and_refuses_the_same_files(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    corpus = WHOLE | torn() | spoilt() | foul()
    for kind in ("disc", "frame"):
        (source / kind).mkdir(parents=True)
        for file in sorted((photographs / kind).iterdir()):
            (source / kind / file.name).write_bytes(file.read_bytes())
    for name, data in corpus.items():
        (source / "disc" / f"corpus-{name}.jpg").write_bytes(data)
    assert run_stage("prepare", source=source, on_bad_image="skip") == 0, capsys.readouterr().err
    rows = pq.read_table("data/prepared/samples.parquet").to_pylist()
    status = {Path(row["path"]).stem: row["status"] for row in rows}
    refused = {name for name in corpus if pixels(corpus[name]) is None}
    unreadable = {
        name.removeprefix("corpus-")
        for name, found in status.items()
        if name.startswith("corpus-") and found.startswith("unreadable")
    }
    assert unreadable == refused


def test_a_posted_image_that_cannot_be_held_is_no_fault_of_the_image(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "load", full)
    with pytest.raises(MemoryError):
        decode(encoded(Image.new("RGB", (9, 9)), "BMP"))


def test_the_corpus_holds_what_it_says() -> None:
    assert all(pixels(data) is not None for data in WHOLE.values())
    assert Image.open(io.BytesIO(WHOLE["jpeg-CMYK"])).mode == "CMYK"
    assert Image.open(io.BytesIO(WHOLE["png-16"])).mode == "I;16"
    assert Image.open(io.BytesIO(WHOLE["png-animated"])).n_frames == 3
