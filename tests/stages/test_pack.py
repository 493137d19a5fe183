"""`python -m stages.pack FOLDER OUT`: the same bytes each time, and the same data for `prepare`."""

import os
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from stages.cli.command import run
from stages.pack import MEGABYTE, assign_shards, main
from stages.sources.folders import GroupBy, find
from stages.sources.source_file import SourceFile
from tests.stages.sources.test_packed import contents, folder, loose, prepared

__all__ = ["folder", "loose"]  # fixtures


def pack(*words: object) -> int:
    """Run the script in this process and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["pack", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            run(main)
    return int(stop.value.code or 0)


def complaint(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    assert pack(*words) == 2
    assert not Path("packed").exists()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_what_is_packed_is_prepared_as_the_folder_is(
    folder: Path, loose: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert pack(folder, "packed") == 0
    assert capsys.readouterr().out.endswith("pack: 38 of 38 files in 2 shards, packed\n")
    assert sorted(contents(Path("packed"))) == ["test-00000.tar", "train-00000.tar"]
    assert prepared("packed", "from-packed") == loose


def test_the_same_folder_gives_the_same_bytes_wherever_and_whenever(folder: Path) -> None:
    assert pack(folder, "packed") == 0
    for file in Path(shutil.copytree(folder, "copy")).rglob("*"):
        os.utime(file, (1, 1))
        file.chmod(0o700)
    assert pack("copy", "again") == 0
    assert contents(Path("packed")) == contents(Path("again"))


def test_an_image_more_changes_one_shard_and_none_is_much_larger_than_asked(tmp_path: Path) -> None:
    source = tmp_path / "cars"
    for number in range(300):
        file = source / f"{'ab'[number % 2]}/{number:03}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(30_000))
    assert pack(source, "packed", "--megabytes", 1) == 0
    before = contents(Path("packed"))
    assert len(before) == 16  # of 9.6 MB
    assert max(map(len, before.values())) < 1.3 * MEGABYTE
    (source / "a/more.jpg").write_bytes(os.urandom(30_000))
    assert pack(source, "packed", "--megabytes", 1) == 0
    after = contents(Path("packed"))
    assert before.keys() == after.keys()
    assert sum(before[name] != after[name] for name in before) == 1
    with tarfile.open("packed/shard-00003.tar") as tar:
        classes = "".join(name[0] for name in tar.getnames())
    assert "b" in classes.strip("b").strip("a")  # one class does not follow the other


def test_what_a_manifest_says_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "cars"
    source.mkdir()
    names = ["1.jpg", "2", "v1.2.PNG", "more.jpg"]
    lines = [f"{name},{'ab'[n % 2]},s,g{n},{'test' * (n == 1)}" for n, name in enumerate(names)]
    text = "\n".join(["image,label,slice,group,split", *lines])
    (source / "labels.csv").write_text(text)
    (source / "LICENSE").write_text("CC0")
    for name in names:
        (source / name).write_text(name)
    assert pack(source, "packed") == 0
    found = [file for file in find("packed", group_by=GroupBy.MANIFEST) if not file.reason]
    assert {(file.path, file.label, file.slice, file.group, file.split) for file in found} == {
        ("train-00000.tar/1_jpg.jpg", "a", "s", "g0", "train"),
        ("test-00000.tar/2.img", "b", "s", "g1", "test"),
        ("train-00000.tar/v1_2_PNG.png", "a", "s", "g2", "train"),
        ("train-00000.tar/more_jpg.jpg", "b", "s", "g3", "train"),
    }
    assert Path("packed/LICENSE").read_text() == "CC0"
    with tarfile.open("packed/test-00000.tar") as tar:
        assert tar.getnames() == ["2.img", "2.json"]


def test_the_number_of_shards_doubles_with_the_images(tmp_path: Path) -> None:
    (tmp_path / "1").write_bytes(bytes(98_000))
    for count, shards in ((9, 1), (10, 1), (11, 2), (20, 2), (21, 4), (40, 4)):
        images = [SourceFile(file=str(tmp_path / "1"), path=str(n)) for n in range(count)]
        assert len(assign_shards(images, MEGABYTE + 1000)) == shards


def test_what_cannot_be_packed_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a/1.jpg", "a/1_jpg", "b/2.jpg"):
        (tmp_path / "cars" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cars" / name).touch()
    assert "its key a/1_jpg is another image's; rename it" in complaint(capsys, "cars", "packed")
    (tmp_path / "cars/a/1_jpg").unlink()
    assert "lies in cars" in complaint(capsys, "cars", "cars/packed")
    assert "nowhere: no folder" in complaint(capsys, "nowhere", "packed")
    (tmp_path / "cars/b/3.jpg").symlink_to("nowhere")
    assert "cars/b/3.jpg: No such file or directory" in complaint(capsys, "cars", "packed")
    (tmp_path / "cars/b/3.jpg").unlink()
    assert pack("cars", "shards") == 0
    assert "shards: packed already" in complaint(capsys, "shards", "packed")
