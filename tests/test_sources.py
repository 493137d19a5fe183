from collections import Counter
from pathlib import Path

import pytest

from server.errors import UserError
from stages.sources import find
from tests.stage import ROOT

DESCRIPTOR = ROOT / "data/solar-cells.yaml"


def test_folders_are_classes_and_files_lie_anywhere_below(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/deep/1.jpg", "a/x", "a/.hidden", ".git/config"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = [(image.path, image.label) for image in find(tmp_path)]
    assert found == [("a/x", "a"), ("b/2.png", "b"), ("b/deep/1.jpg", "b")]


def test_the_packaged_default_has_its_published_counts() -> None:
    found = find(DESCRIPTOR)
    assert len(found) == 2624
    assert Counter(image.slice for image in found) == {"mono": 1074, "poly": 1550}
    assert Counter(image.label for image in found) == {"functional": 1803, "defective": 821}
    assert all(image.file.is_file() for image in found)


def test_a_package_of_another_version_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "cells.yaml"
    other.write_text(DESCRIPTOR.read_text().replace("1.0.0.post1", "0.9"))
    with pytest.raises(UserError, match=r"needs elpv-dataset 0\.9, installed is 1\.0\.0\.post1"):
        find(other)


def test_a_package_that_is_not_installed_names_the_cure(tmp_path: Path) -> None:
    other = tmp_path / "cells.yaml"
    other.write_text(DESCRIPTOR.read_text().replace("elpv-dataset", "no-such-package"))
    with pytest.raises(UserError, match="installed is none; run `make install`"):
        find(other)


def test_a_missing_source_is_named() -> None:
    with pytest.raises(UserError, match=r"prepare\.source=data/nowhere: not there"):
        find(Path("data/nowhere"))


def test_an_empty_class_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: a class without images"):
        find(tmp_path)


@pytest.mark.parametrize("names", [[], ["only"]])
def test_fewer_than_two_classes_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(b"")
    with pytest.raises(UserError, match=f"{len(names)} class .* at least 2"):
        find(tmp_path)


@pytest.mark.parametrize("text", ["", "a: 1", "[", "package: elpv-dataset"])
def test_what_is_no_descriptor_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "cells.yaml").write_text(text)
    with pytest.raises(UserError, match=r"cells\.yaml: no descriptor of a packaged data set"):
        find(tmp_path / "cells.yaml")
