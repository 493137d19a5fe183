"""SERVER_KEEP_IMAGES: answered images in a folder, bounded in size and in age."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from server.predictions import kept_images
from server.predictions.kept_images import DAY, KeptImages
from tests.kit.artefact import coloured, write_colour_artefact
from tests.kit.drawing import encoded
from tests.kit.live import serve


def name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def kept(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_answered_images_are_kept_by_their_hash_and_others_are_not(tmp_path: Path) -> None:
    model = write_colour_artefact(tmp_path / "model.onnx")
    red, blue = encoded(coloured("red")), encoded(coloured("blue"), "JPEG")
    with serve(tmp_path, model, KEEP_IMAGES="kept") as live:
        for data in (red, blue, red):
            live.client.post("/predict", content=data).raise_for_status()
        live.client.post("/predict", content=b"no image")
        live.client.post("/explain", content=encoded(coloured("lime"))).raise_for_status()
        assert live.client.get("/health").json()["keeps_images"] is True
    assert kept(tmp_path / "kept") == sorted((f"{name(red)}.png", f"{name(blue)}.jpeg"))
    assert (tmp_path / "kept" / f"{name(red)}.png").read_bytes() == red
    assert (tmp_path / "kept" / f"{name(red)}.png").stat().st_mode & 0o777 == 0o640


def test_without_the_setting_nothing_is_kept(tmp_path: Path) -> None:
    model = write_colour_artefact(tmp_path / "model.onnx")
    before = {*tmp_path.iterdir()}
    with serve(tmp_path, model) as live:
        live.client.post("/predict", content=encoded(coloured("red"))).raise_for_status()
        assert live.client.get("/health").json()["keeps_images"] is False
    made = {path.name for path in {*tmp_path.iterdir()} - before}
    assert made == {"data", "stderr", "stdout"}


def test_the_oldest_go_where_all_are_too_large(tmp_path: Path) -> None:
    images = KeptImages(tmp_path, most_bytes=1000, most_days=30)
    files = [bytes([number]) * 300 for number in range(5)]
    for number, data in enumerate(files):
        images.keep(name(data), "PNG", data)
        while not (tmp_path / f"{name(data)}.png").exists():
            time.sleep(0.005)
        os.utime(tmp_path / f"{name(data)}.png", (0, time.time() - 100 + number))
    images.close(patience=10)
    assert kept(tmp_path) == sorted(f"{name(data)}.png" for data in files[2:])


def test_what_is_too_old_goes_and_what_is_not_ours_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_images, "OFTEN", 0.0)
    (tmp_path / "notes.txt").write_text("somebody's")
    old = tmp_path / f"{'0' * 64}.png"
    for file in (old, tmp_path / "notes.txt"):
        file.touch()
        os.utime(file, (0, time.time() - 8 * DAY))
    images = KeptImages(tmp_path, most_bytes=1000, most_days=7)
    images.keep(name(b"new"), "PNG", b"new")
    images.close(patience=10)
    assert kept(tmp_path) == sorted(("notes.txt", f"{name(b'new')}.png"))


def test_a_disk_that_takes_nothing_is_counted_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("no folder")
    model = write_colour_artefact(tmp_path / "model.onnx")
    with serve(tmp_path, model, KEEP_IMAGES="kept") as live:
        live.client.post("/predict", content=encoded(coloured("red"))).raise_for_status()
        for _ in range(200):
            if "kept_images_lost 1.0" in live.client.get("/metrics").text:
                break
            time.sleep(0.02)
        assert "kept_images_lost 1.0" in live.client.get("/metrics").text
        assert any("kept images: kept: " in str(line) for line in live.logged())
