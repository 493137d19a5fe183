import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageEnhance

from server.image.decode import decode
from server.image.resize import Resizer
from server.image.resize_mode import ResizeFilter, ResizeMode
from stages.data.dataset import SCHEMA, Dataset
from tests.kit import structures
from tests.kit.drawing import draw
from tests.kit.stage import PARAMS, ROOT, TINY, arguments, run_stage


@pytest.fixture
def source(photographs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(photographs, tmp_path / "source"))


def prepare(source: Path, **changes: object) -> int:
    return run_stage("prepare", source=source, **changes)


def test_every_file_has_a_row_and_every_used_image_is_stored(workspace: Path) -> None:
    dataset = Dataset.open(Path("data/prepared"))
    assert dataset.samples.schema == SCHEMA
    assert dataset.card.classes == ["disc", "frame", "stripes"]
    assert dataset.samples.num_rows == 72
    sizes = {name: len(dataset.split(name)) for name in ("train", "val", "test")}
    assert sum(sizes.values()) == 72
    assert min(sizes.values()) >= 12
    validation = dataset.split("val")
    everything = np.arange(sizes["val"])
    assert validation.images.take(everything).shape == (sizes["val"], 64, 64, 3)
    found = counts()
    assert found["found"] == found["used"] == 72
    assert list(found["val"].values()) == np.bincount(validation.labels).tolist()


def test_train_can_be_stored_in_larger_squares_which_change_no_other(
    source: Path, tmp_path: Path
) -> None:
    assert prepare(source, prepared=tmp_path / "usual") == 0
    assert prepare(source, prepared=tmp_path / "larger", store=1.5) == 0
    one, other = (Dataset.open(tmp_path / name) for name in ("usual", "larger"))
    assert one.samples.equals(other.samples)
    shard = "shard-00000.npy"
    assert (one.folder / shard).read_bytes() == (other.folder / shard).read_bytes()
    learned = other.split_to_learn_from()
    everything = np.arange(len(learned))
    assert learned.labels.tolist() == other.split("train").labels.tolist()
    resizer = Resizer(size=96, mode=ResizeMode.SQUASH, filter=ResizeFilter.BILINEAR)
    for path, pixels in zip(
        learned.samples["path"].to_pylist(), learned.images.take(everything), strict=True
    ):
        picture = decode((source / path).read_bytes(), target=96).picture
        assert np.array_equal(pixels, resizer(picture)), path
    usual = one.split_to_learn_from().images.take(everything)
    assert np.array_equal(usual, one.split("train").images.take(everything))


def test_the_same_images_under_other_names_give_the_same_arrays(
    source: Path, tmp_path: Path
) -> None:
    assert prepare(source, prepared=tmp_path / "a", metrics=tmp_path / "a.json") == 0
    source.rename(tmp_path / "elsewhere")
    again = tmp_path / "elsewhere"
    assert prepare(again, prepared=tmp_path / "b", metrics=tmp_path / "b.json") == 0
    for name in ("shard-00000.npy", "samples.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_an_unusable_image_stops_and_nothing_is_half_written(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = source / "disc/disc-000.jpg"
    whole.write_bytes(whole.read_bytes()[:300])
    assert prepare(source) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert "disc-000.jpg: not readable" in complaint
    assert "set prepare.on_bad_image=skip" in complaint
    assert not Path("data").exists() or list(Path("data").iterdir()) == []
    assert not Path("metrics").exists()


def test_an_image_over_a_limit_stops_prepare_with_the_file_the_limit_and_the_cure(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = structures.jpeg(8000, 8000, refinements=2000)
    (source / "disc/disc-000.jpg").write_bytes(scans)
    assert prepare(source) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert "disc-000.jpg: 8000 x 8000 pixels, over the limit of" in complaint
    assert "of 2,002 scans; save it smaller" in complaint
    assert "set prepare.on_bad_image=skip" in complaint


def test_an_unusable_image_can_be_left_out_with_its_reason(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "disc/notes.txt").write_text("not a picture")
    assert prepare(source, on_bad_image="skip") == 0
    rows = {row["path"]: row for row in pq.read_table("data/prepared/samples.parquet").to_pylist()}
    assert rows["disc/notes.txt"]["status"].startswith("unreadable: not an image")
    assert rows["disc/notes.txt"]["shard"] is None
    assert json.loads(Path("metrics/details/prepare.json").read_text())["left_out"] == {
        "unreadable": 1
    }


def test_a_class_of_which_nothing_can_be_used_is_named(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (source / "cone").mkdir()
    (source / "cone/notes.txt").write_text("not a picture")
    assert prepare(source, on_bad_image="skip") == 2
    assert "class cone: none of its files is a usable image" in capsys.readouterr().err
    assert not Path("data/prepared").exists()


def rows(folder: Path = Path("data/prepared")) -> dict[str, dict[str, Any]]:
    return {row["path"]: row for row in pq.read_table(folder / "samples.parquet").to_pylist()}


def counts() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("metrics/details/prepare.json").read_text())
    assert found["used"] + sum(found["left_out"].values()) == found["found"] == len(rows())
    return found


def test_content_counts_and_names_do_not(source: Path, elsewhere: Path) -> None:
    names = ("photo.JPG", "photo.jpeg", "photo", "photo.jpg?width=640", "photo.txt", "photo.png")
    for number, name in enumerate(names):
        draw("disc", 500 + number).save(source / "disc" / name, format="JPEG")
    assert prepare(source) == 0
    for name in names:
        row = rows()[f"disc/{name}"]
        assert (row["status"], row["format"]) == ("used", "JPEG")
    assert len({(row["shard"], row["index"]) for row in rows().values()}) == 72 + len(names)
    assert counts()["used"] == 72 + len(names)


def test_equal_pixels_are_kept_once(source: Path, elsewhere: Path) -> None:
    with Image.open(source / "disc/disc-001.png") as picture:
        picture.save(source / "disc/again.bmp")
    assert prepare(source) == 0
    assert rows()["disc/again.bmp"]["status"] == "used"
    assert rows()["disc/disc-001.png"]["status"] == "duplicate: disc/again.bmp of class disc"
    assert counts()["left_out"] == {"duplicate": 1}


def test_a_picture_under_two_labels_is_dropped_from_all_and_named(
    source: Path, elsewhere: Path
) -> None:
    for name in ("disc/twin.png", "frame/twin.png"):
        shutil.copy(source / "stripes/stripes-001.png", source / name)
    assert prepare(source) == 0
    for name in ("disc/twin.png", "frame/twin.png", "stripes/stripes-001.png"):
        assert rows()[name]["status"].startswith("label conflict: ")
    assert counts()["left_out"] == {"label conflict": 3}
    assert counts()["label_conflicts"] == 1
    assert "disc/twin.png" in Path("metrics/conflicts.csv").read_text()


@pytest.mark.parametrize("fewer", [(), ("disc",), ("frame", "disc")])
def test_a_class_of_which_nothing_is_left_is_one_line(
    source: Path, elsewhere: Path, fewer: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """All pictures are under two labels, or all of one class; no image remains at all at first."""
    for kind in ("disc", "frame", "stripes"):
        if kind not in fewer:
            shutil.copytree(source / kind, source / f"other {kind}")
    assert prepare(source) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert "none of its 24 files is left (label conflict 24), such as" in complaint
    assert not Path("data/prepared").exists()


def test_near_duplicates_are_in_one_split_and_suspected_labels_are_listed(
    source: Path, elsewhere: Path
) -> None:
    for index in range(0, 24, 2):
        with Image.open(source / f"disc/disc-{index:03}.jpg") as picture:
            brighter = ImageEnhance.Brightness(picture).enhance(1.1)
        folder = "frame" if index == 0 else "disc"
        brighter.save(source / folder / f"near-{index:03}.jpg", quality=80)
    assert prepare(source) == 0
    for index in range(2, 24, 2):
        first, second = (rows()[f"disc/{kind}-{index:03}.jpg"] for kind in ("disc", "near"))
        assert first["split"] == second["split"]
        assert first["group"] == second["group"] != ""
    assert counts()["groups"]["images"] >= 24
    assert counts()["label_conflicts"] == 1
    [pair] = Path("metrics/conflicts.csv").read_text().splitlines()[1:]
    assert "disc/disc-000.jpg" in pair
    assert "frame/near-000.jpg" in pair


@pytest.fixture
def already_split(source: Path, tmp_path: Path) -> Path:
    """Train, val and test, with one picture of train also in test and one of val also there."""
    folder = tmp_path / "split"
    for index in range(24):
        split = "test" if index < 5 else "valid" if index < 9 else "Train"
        for kind in ("disc", "frame", "stripes"):
            name = f"{kind}/{kind}-{index:03}.{'png' if index % 2 else 'jpg'}"
            (folder / split / kind).mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, folder / split / name)
    shutil.copy(folder / "test/disc/disc-001.png", folder / "Train/disc/leak.png")
    shutil.copy(folder / "test/frame/frame-001.png", folder / "valid/frame/leak.png")
    return folder


@pytest.mark.parametrize(("on_leak", "left_out"), [("drop", {"leak": 2}), ("keep", {})])
def test_leaks_between_given_splits_are_counted_and_dropped_or_kept(
    already_split: Path,
    elsewhere: Path,
    on_leak: str,
    left_out: dict[str, int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert prepare(already_split, on_leak=on_leak) == 0
    groups = "no group is in two splits" if on_leak == "drop" else "2 of them are in more than one"
    leaks = "left out" if on_leak == "drop" else "kept, so scores on that split are too good"
    printed = " ".join(capsys.readouterr().out.split())
    assert f"2 images share their group with one of a later split: {leaks}" in printed
    assert (groups in printed) == (on_leak == "keep")  # no other images are alike
    assert counts()["leaked"] == 2
    assert counts()["left_out"] == left_out
    assert counts()["test"] == {"disc": 5, "frame": 5, "stripes": 5}
    if on_leak == "drop":
        status = rows()["Train/disc/leak.png"]["status"]
        assert status == "leak: test/disc/disc-001.png of class disc"


def test_leaks_can_stop(
    already_split: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(already_split, on_leak="error") == 2
    complaint = capsys.readouterr().err
    assert (
        "Train/disc/leak.png is in train and shows the same as test/disc/disc-001.png" in complaint
    )
    assert not Path("data/prepared").exists()


def test_a_class_whose_train_images_are_all_in_test_too_says_so_and_what_helps(
    already_split: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(already_split / "Train/disc")
    shutil.copytree(already_split / "test/disc", already_split / "Train/disc")
    assert prepare(already_split) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert (
        "class disc: none of its 14 images is left for train (0 train, 4 val, 5 test; left out: "
        "5 leak), such as Train/disc/disc-000.jpg, leak: test/disc/disc-000.jpg of class disc; "
        "remove such images from one of the splits, or set prepare.on_leak=keep"
    ) in complaint


def test_a_leak_by_a_group_of_the_source_is_called_that(
    already_split: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [file for file in sorted(already_split.glob("*/*/*")) if "leak" not in file.name]
    names = [file.relative_to(already_split).as_posix() for file in files]
    group = {"Train/disc/disc-012.jpg": "car 7", "test/disc/disc-000.jpg": "car 7"}
    lines = [f"{x},{x.split('/')[1]},{x.split('/')[0]},{group.get(x, '')}" for x in names]
    text = "\n".join(["image,label,split,group", *lines])
    (already_split / "labels.csv").write_text(text)
    assert prepare(already_split, on_leak="error", group_by="manifest") == 2
    assert (
        "Train/disc/disc-012.jpg is in train and is of group car 7, as is "
        "test/disc/disc-000.jpg in test, 1 such image in all"
    ) in capsys.readouterr().err


def test_a_class_that_is_not_in_train_is_named_before_anything_is_read(
    already_split: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(already_split / "Train/disc")
    (already_split / "test/disc/torn.png").write_text("no image")
    assert prepare(already_split) == 2
    said = "error: class disc: 4 in val and 6 in test, none in train, so nothing can learn it; "
    assert said in capsys.readouterr().err


def test_given_groups_are_in_one_split(source: Path, elsewhere: Path) -> None:
    for index in range(24):
        folder = source / f"disc/car{index // 4}"
        folder.mkdir(exist_ok=True)
        name = f"disc-{index:03}.{'png' if index % 2 else 'jpg'}"
        (source / "disc" / name).rename(folder / name)
    assert prepare(source, group_by="folder") == 0
    splits: dict[str, set[str]] = {}
    for row in rows().values():
        if row["path"].startswith("disc/car"):
            splits.setdefault(row["path"].rpartition("/")[0], set()).add(row["split"])
    assert len(splits) == 6
    assert all(len(where) == 1 for where in splits.values())


def test_too_few_images_of_a_class_are_refused_with_the_counts(
    source: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "rare").mkdir()
    for index in range(2):
        draw("disc", 900 + index).save(source / f"rare/{index}.png")
    assert prepare(source) == 2
    assert "class rare: 2 images are too few for three splits" in capsys.readouterr().err


def test_people_see_a_table_a_sheet_and_histograms(
    source: Path, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "notes.txt").write_text("")
    assert prepare(source) == 0
    shown = capsys.readouterr().out
    assert "72 of 73 files used" in shown
    assert "left out, not in a class folder: 1" in shown
    with Image.open("data/reports/samples.png") as sheet:
        assert np.asarray(sheet).std() > 20
    for name in ("classes", "sizes", "brightness"):
        assert len(Path(f"plots/prepare/{name}.csv").read_text().splitlines()) > 6


def test_any_number_of_cores_gives_the_same_bytes(source: Path, elsewhere: Path) -> None:
    assert prepare(source) == 0
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert prepare(source, prepared="one", metrics="one.json") == 0
    finally:
        os.sched_setaffinity(0, cores)
    for name in ("shard-00000.npy", "samples.parquet"):
        assert Path("one", name).read_bytes() == Path("data/prepared", name).read_bytes()


def test_killed_at_any_moment_nothing_looks_finished_and_a_rerun_succeeds(
    source: Path, elsewhere: Path
) -> None:
    words = [sys.executable, "-m", "stages.prepare"]
    options = {**PARAMS["prepare"], **TINY["prepare"], "source": source}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for delay in (0.3, 0.6, 0.9, 1.2):
        process = subprocess.Popen([*words, *arguments(options)], env=environment)
        time.sleep(delay)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert alive == []
        if process.wait() == 0:
            break
        assert not Path("data/prepared").exists()
    assert (
        subprocess.run([*words, *arguments(options)], env=environment, check=False).returncode == 0
    )
    assert counts()["used"] == 72
    assert [path.name for path in Path("data").iterdir() if path.name.startswith(".")] == []


def test_help_waits_for_no_array_and_no_table() -> None:
    program = "import sys, stages.prepare; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) & {"numpy", "PIL", "pyarrow", "scipy", "rich.progress"} == set()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"source": "nowhere"}, "prepare.source=nowhere: not there"),
        ({"image_size": "big"}, "--image-size"),
        ({"image_size": 8}, "--image-size"),
        ({"resize_mode": "stretch"}, "--resize-mode"),
        ({"colour": "red"}, "--colour"),
    ],
)
def test_a_wrong_parameter_is_one_line_that_names_it(
    changes: dict[str, object], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stage("prepare", **changes) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert complaint in printed
