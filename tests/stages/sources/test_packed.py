"""Packed sources: the same images as in a folder, and what a hostile archive would do."""

import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from server.errors import UserError
from server.image.limits import MAX_BYTES
from server.model.classifier import Classifier
from stages.data.dataset import Dataset
from stages.sources.as_split import as_split
from stages.sources.contents import ROWS, in_chunks, read, read_each
from stages.sources.folders import GroupBy, find
from stages.sources.member import Kind, Member
from stages.sources.tar import entries
from tests.kit.artefact import coloured, write_colour_artefact
from tests.kit.drawing import draw_folder, encoded
from tests.kit.packed import write_rows, write_zip
from tests.kit.stage import ROOT, run_stage
from tests.stages.test_predict import OUTPUT, predict, rows

SAME = ("image_sha256", "class", "group", "split", "phash", "format", "width", "brightness")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures a class, one of them twice; `train` and `test` share a picture."""
    source = draw_folder(tmp_path_factory.mktemp("source") / "drawn", per_class=12)
    cars = source.with_name("cars")
    for number, file in enumerate(sorted(source.rglob("*.*"))):
        split = "test" if number % 4 == 0 else "train"
        copy = cars / split / file.parent.name / file.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    (cars / "train/disc/again.jpg").write_bytes((cars / "train/disc/disc-002.jpg").read_bytes())
    (cars / "test/disc/leak.jpg").write_bytes((cars / "train/disc/disc-005.png").read_bytes())
    return cars


def contents(folder: Path, split: str = "") -> dict[str, bytes]:
    """The bytes of the files of a folder, by their paths."""
    files = sorted(file for file in (folder / split).rglob("*") if file.is_file())
    return {file.relative_to(folder / split).as_posix(): file.read_bytes() for file in files}


def as_zip(folder: Path, to: Path) -> Path:
    with zipfile.ZipFile(to.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents(folder).items():
            archive.writestr(f"cars/{name}", data)
    return to.with_suffix(".zip")


def as_tars(folder: Path, to: Path) -> Path:
    to.mkdir()
    for split in ("train", "test"):
        with tarfile.open(to / f"{split}-000.tar", "w") as tar:
            for name, data in contents(folder, split).items():
                said = json.dumps({"label": name.partition("/")[0]}).encode()
                for member, content in ((name, data), (f"{Path(name).with_suffix('.json')}", said)):
                    entry = tarfile.TarInfo(member)
                    entry.size = len(content)
                    tar.addfile(entry, BytesIO(content))
    return to


def as_parquet(folder: Path, to: Path) -> Path:
    (to / "data").mkdir(parents=True)
    for split in ("train", "test"):
        found = contents(folder, split)
        labels = [name.partition("/")[0] for name in found]
        path = to / f"data/{split}-00000-of-00001.parquet"
        write_rows(path, list(found.values()), labels, column="img", row_group=7)
    return to


def as_imagefolder(folder: Path, to: Path) -> Path:
    for split in ("train", "test"):
        (to / split).mkdir(parents=True)
        lines = []
        for number, (name, data) in enumerate(contents(folder, split).items()):
            (to / split / f"{number:03}").write_bytes(data)
            lines.append({"file_name": f"{number:03}", "label": name.partition("/")[0]})
        text = "\n".join(map(json.dumps, lines))
        (to / split / "metadata.jsonl").write_text(text)
    return to


def prepared(source: Path | str, name: str, **changes: object) -> list[tuple[Any, ...]]:
    """What `prepare` says of each image, by its identity; whether it is used, not why not."""
    assert run_stage("prepare", source=source, prepared=name, **changes) == 0
    table = pq.read_table(f"{name}/samples.parquet").to_pylist()
    images = [row for row in table if row["image_sha256"]]
    return sorted((*(row[key] for key in SAME), row["status"] == "used") for row in images)


@pytest.fixture(scope="module")
def loose(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """What becomes of the folder itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("loose"))
        rows = prepared(folder, "loose")
        assert not Path("loose/objects.csv").exists()
        return rows


FORMS = [as_zip, as_tars, as_parquet, as_imagefolder]


@pytest.mark.parametrize("pack", FORMS, ids=[form.__name__ for form in FORMS])
def test_packed_images_become_what_they_become_in_a_folder(
    folder: Path, loose: list[tuple[Any, ...]], pack: Callable[[Path, Path], Path], tmp_path: Path
) -> None:
    source = pack(folder, tmp_path / "packed")
    assert prepared(source, "packed", store=1.5) == loose
    assert not all(row[-1] for row in loose)
    dataset = Dataset.open(Path("packed"))
    assert dataset.card.classes == ["disc", "frame", "stripes"]
    assert len(dataset.split_to_learn_from()) == len(dataset.split("train"))


def test_folders_group_in_a_shard_and_in_a_zip_as_they_do_outside(tmp_path: Path) -> None:
    for name in ("cat/car1/1.jpg", "cat/2.jpg", "dog/car1/3.jpg"):
        (tmp_path / "loose" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "loose" / name).touch()
    (tmp_path / "tars").mkdir()
    for number, name in enumerate(contents(tmp_path / "loose")):
        with tarfile.open(tmp_path / f"tars/{number}.tar", "w") as tar:
            label = tarfile.TarInfo(f"{Path(name).with_suffix('.cls')}")
            label.size = 3
            tar.addfile(tarfile.TarInfo(name))
            tar.addfile(label, BytesIO(name[:3].encode()))
    zipped = as_zip(tmp_path / "loose", tmp_path / "zip")
    sources = (tmp_path / "loose", tmp_path / "tars", zipped)
    groups = [[file.group for file in find(one, group_by=GroupBy.FOLDER)] for one in sources]
    assert [sorted(one) for one in groups] == [["", "cat/car1", "dog/car1"]] * 3


@pytest.mark.parametrize("pack", FORMS[:3], ids=[form.__name__ for form in FORMS[:3]])
def test_predict_answers_every_packed_image_whatever_its_label(
    pack: Callable[[Path, Path], Path], tmp_path: Path
) -> None:
    for name, colour in (("train/x/1.png", "red"), ("train/x/2.png", "lime"), ("test/x/3", "blue")):
        (tmp_path / "loose" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "loose" / name).write_bytes(encoded(coloured(colour)))
    (tmp_path / "loose/test/x/3").rename(tmp_path / "loose/test/x/3.png")
    source = pack(tmp_path / "loose", tmp_path / "packed")
    artefact = write_colour_artefact(tmp_path / "model.onnx")
    assert predict(source, "--model", artefact, "--output", OUTPUT) == 0
    assert sorted(row["class"] for row in rows()) == ["blue", "green", "red"]
    assert [row["path"] for row in rows()] == sorted(row["path"] for row in rows())
    assert not any(row["reason"] for row in rows())


def test_evaluate_reads_the_test_split_of_shards(
    folder: Path, classifier: Classifier, tmp_path: Path
) -> None:
    source = as_tars(folder, tmp_path / "tars")
    with as_split(source, classifier, labelled=True) as (split, unreadable):
        assert (len(split), unreadable) == (len(contents(folder, "test")), 0)


def test_rows_are_read_in_any_order_and_together_as_far_as_it_pays(tmp_path: Path) -> None:
    images = [bytes([number % 256]) * 9 for number in range(2 * ROWS)] + [None]
    path = write_rows(tmp_path / "x.parquet", images, ["a", "b"] * ROWS + ["b"], row_group=ROWS + 9)
    files = [file.file for file in find(path)]
    for number in (3, ROWS + 5, 2, 5, 2 * ROWS - 1, 0):
        assert read(files[number]) == images[number]
    *_, last = read_each(files)
    assert isinstance(last, OSError)
    assert "no bytes in its row" in str(last)
    chunks = list(in_chunks(files, 16))
    assert [(start, len(chunk)) for start, chunk in chunks] == [
        (0, ROWS),
        (ROWS, 9),
        (ROWS + 9, len(images) - ROWS - 9),
    ]
    assert [len(chunk) for _, chunk in in_chunks(["x"] * 40, 16)] == [16, 16, 8]


def test_a_column_of_equal_images_does_not_unfold_in_memory(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "x.parquet", [bytes(2_000_000)] * 250, ["a"] * 250, row_group=250)
    assert path.stat().st_size < 1_000_000
    program = (
        "import sys; from pathlib import Path; from stages.sources.hugging_face import row_images; "
        "from stages.sources.contents import read; "
        "files = list(row_images(sys.argv[1], 'x', '', labelled=False)); "
        "assert sum(len(read(file.file)) for file in files) == 500_000_000; "
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    assert int(done.stdout) < 300_000  # kilobytes


def test_a_member_that_inflates_without_end_is_one_that_cannot_be_read(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", ["cat/1.jpg=one", "dog/2.jpg=two"])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("dog/bomb.jpg", bytes(MAX_BYTES + 1))
    *_, bomb = read_each([file.file for file in find(path)])
    assert str(bomb).endswith("more bytes than the limit of 350,000,000")


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    """As in the bombs of Fifield 2019, where thousands of members share one kernel."""
    path = write_zip(tmp_path / "x.zip", ["cat/1.jpg=one", "dog/2.jpg=two"])
    data = path.read_bytes()
    second = data.rindex(b"PK\x01\x02")
    path.write_bytes(data[: second + 42] + bytes(4) + data[second + 46 :])
    with pytest.raises(UserError, match=r"x\.zip: its members share bytes, as those of zip bombs"):
        find(path)


@pytest.mark.parametrize("kind", [Kind.STORED, Kind.ZIPPED])
@pytest.mark.parametrize("start", [0, 10, 90, 10_000])
def test_what_is_no_longer_where_it_was_is_a_file_that_cannot_be_read(
    tmp_path: Path, kind: Kind, start: int
) -> None:
    path = write_zip(tmp_path / "x.zip", ["cat/1.jpg=one"])
    member = Member(str(path), "cat/1.jpg", kind, start, length=10_000, check=1)
    assert isinstance(next(read_each([member])), OSError)


def test_a_member_of_a_zip_whose_bytes_have_changed_is_not_taken(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", ["cat/1.jpg=one one one", "dog/2.jpg=two"], "0")
    path.write_bytes(path.read_bytes().replace(b"one one", b"one 0ne"))
    first, second = read_each([file.file for file in find(path)])
    assert "it has another CRC-32 than its zip says" in str(first)
    assert second == b"two"


def test_a_header_that_claims_gigabytes_is_not_read_into_memory(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = tarfile.XHDTYPE, 2**33
    path = tmp_path / "x.tar"
    path.write_bytes(entry.tobuf(tarfile.GNU_FORMAT))
    with path.open("r+b") as file:
        file.truncate(2**33 + 10_240)  # a sparse file: it takes no room
    with pytest.raises(UserError, match=r"x\.tar: no tar that can be read \(a header of"):
        list(entries(str(path)))


def test_a_label_that_is_no_label_is_one_line(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        entry = tarfile.TarInfo("1.txt")
        entry.size = 2**20 + 1
        tar.addfile(entry, BytesIO(bytes(entry.size)))
    with pytest.raises(UserError, match=r"x\.tar/1\.txt: a label of more than 1,048,576 bytes"):
        find(tmp_path / "x.tar")
