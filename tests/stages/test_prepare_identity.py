"""What decides where an image goes: its bytes and what it shows, no parameter of resizing."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageEnhance

from stages.data.dataset import Dataset
from tests.kit.drawing import draw
from tests.kit.stage import run_stage

RESIZED = ("brightness", "contrast", "sharpness", "saturation", "shard", "index")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs large enough to be decoded at several scales, with copies and near copies."""
    folder = tmp_path_factory.mktemp("source")
    for number in range(90):
        kind = ("disc", "frame", "stripes")[number % 3]
        photograph = draw(kind, number).resize((200 + 10 * number, 180 + 8 * number))
        file = folder / kind / f"{number:03}.jpg"
        file.parent.mkdir(exist_ok=True)
        photograph.save(file, quality=85)
        if number % 5 == 0:
            near = ImageEnhance.Brightness(photograph).enhance(1.08)
            near.save(file.with_name(f"near-{number:03}.jpg"), quality=75)
        if number % 9 == 0:
            shutil.copy(file, file.with_name(f"copy-{number:03}.jpg"))
    return folder


def table(source: Path, name: str, **changes: object) -> list[dict[str, Any]]:
    outputs = ("prepared", "sheet", "conflicts", "metrics", "details")
    paths = {each: f"{name}/{each}" for each in outputs}
    assert run_stage("prepare", source=source, **paths, plots=f"{name}/plots", **changes) == 0
    rows: list[dict[str, Any]] = pq.read_table(f"{name}/prepared/samples.parquet").to_pylist()
    return rows


def without(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in names} for row in rows]


@pytest.fixture(scope="module")
def usual(source: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return table(source, str(tmp_path_factory.mktemp("usual")), image_size=160)


@pytest.mark.parametrize(
    "changes",
    [
        {"image_size": 224},
        {"image_size": 40, "resize_mode": "crop", "resize_filter": "lanczos"},
        {"image_size": 160, "resize_mode": "pad", "resize_filter": "bicubic"},
        {"image_size": 160, "store": 1.5},
    ],
    ids=str,
)
def test_how_images_are_resized_moves_none(
    source: Path, usual: list[dict[str, Any]], changes: dict[str, object]
) -> None:
    other = table(source, "other", **changes)
    assert without(other, *RESIZED) == without(usual, *RESIZED)
    assert len({row["group"] for row in usual}) > 10


def test_a_model_of_other_sizes_is_a_model_of_other_data(source: Path) -> None:
    hashes = set()
    one = ({"image_size": 40}, {"resize_mode": "pad"}, {"resize_filter": "lanczos"}, {"store": 2.0})
    for changes in ({}, *one):
        table(source, "one", **changes)
        hashes.add(Dataset.open(Path("one/prepared")).card.data_hash)
    assert len(hashes) == 5


def test_an_image_is_its_bytes_and_copies_share_group_and_split(
    source: Path, usual: list[dict[str, Any]]
) -> None:
    by_hash: dict[str, list[dict[str, Any]]] = {}
    for row in usual:
        data = (source / row["path"]).read_bytes()
        assert row["image_sha256"] == hashlib.sha256(data).hexdigest()
        by_hash.setdefault(row["image_sha256"], []).append(row)
    copies = [rows for rows in by_hash.values() if len(rows) > 1]
    assert len(copies) == 10
    for rows in copies:
        assert [row["status"].partition(":")[0] for row in rows] in (
            ["used", "duplicate"],
            ["duplicate", "used"],
        )
        assert len({(row["group"], row["split"]) for row in rows}) == 1
        assert rows[0]["group"]
        assert rows[0]["split"]


def test_which_copy_is_kept_moves_nothing(
    source: Path, usual: list[dict[str, Any]], tmp_path: Path
) -> None:
    """The same pixels in other bytes, once named to come first and once last."""
    tables = []
    for first in ("a", "z"):
        folder = tmp_path / first
        shutil.copytree(source, folder)
        with Image.open(folder / "disc/003.jpg") as picture:
            picture.save(folder / f"disc/{first}.png")
        rows = table(folder, f"named {first}", image_size=32)
        tables.append({row["image_sha256"]: (row["group"], row["split"]) for row in rows})
    assert tables[0] == tables[1]


def test_what_happens_to_leaks_and_to_files_that_are_no_images_changes_status_alone(
    source: Path, tmp_path: Path
) -> None:
    split = tmp_path / "split"
    for name in ("train", "test"):
        shutil.copytree(source, split / name, ignore=shutil.ignore_patterns("[!c0]*.jpg"))
    for file in sorted((split / "train").glob("*/0[0-6]*")):
        file.unlink()  # what is left of train is in test, too
    for number in range(60):
        kind = ("disc", "frame", "stripes")[number % 3]
        draw(kind, 900 + number).save(split / f"train/{kind}/own-{number}.png")
    kept = table(split, "kept", image_size=32, on_leak="keep")
    dropped = table(split, "dropped", image_size=32, on_leak="drop")
    assert without(kept, "status") == without(dropped, "status")
    changed = [row for row, other in zip(dropped, kept, strict=True) if row != other]
    assert len(changed) > 20
    assert all(row["status"].startswith("leak: ") for row in changed)
    (split / "train/disc/torn.png").write_text("no image")
    skipped = table(split, "skipped", image_size=32, on_leak="keep", on_bad_image="skip")
    same = [row for row in skipped if not row["status"].startswith("unreadable")]
    assert len(same) == len(skipped) - 1
    assert without(same, "shard", "index") == without(kept, "shard", "index")
    assert json.loads(Path("skipped/details").read_text())["left_out"]["unreadable"] == 1
