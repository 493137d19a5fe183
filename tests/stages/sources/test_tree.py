"""What lies in a folder besides files: links, FIFOs, sockets, and what systems leave there."""

import os
import socket
import subprocess
from pathlib import Path

import pytest
import yaml

from server.errors import UserError
from server.model.classifier import Classifier
from stages.sources.as_split import as_split
from stages.sources.folders import find
from stages.sources.tree import visible
from tests.kit.clone import ENVIRONMENT, git
from tests.kit.drawing import draw_folder
from tests.kit.stage import run_stage


@pytest.fixture
def cars(elsewhere: Path) -> Path:
    for name in ("a/1.jpg", "b/2.jpg", "b/deep/3.jpg"):
        (elsewhere / "cars" / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / "cars" / name).touch()
    return Path("cars")


@pytest.mark.parametrize("link", ["c", "b/more", "b/deep/more", ".hidden", "test"])
def test_a_link_to_a_folder_is_refused_wherever_it_lies(cars: Path, link: str) -> None:
    (cars / link).symlink_to((cars / "a").resolve())
    with pytest.raises(UserError, match=f"^cars/{link}: a link to a folder, which DVC does not"):
        find(cars)


def test_links_to_folders_are_counted_and_the_first_is_named(cars: Path) -> None:
    for name in ("b/z", "b/x", "a/y"):
        (cars / name).symlink_to("..")
    with pytest.raises(
        UserError, match=r"^cars/a/y: a link to a folder, 3 in all, which .* copy the"
    ):
        find(cars)


def test_no_way_to_images_follows_a_link_to_a_folder(
    cars: Path, classifier: Classifier, capsys: pytest.CaptureFixture[str]
) -> None:
    (cars / "c").symlink_to("a")
    complaint = "cars/c: a link to a folder, which DVC does not follow"
    assert run_stage("prepare", source=cars) == 2
    assert capsys.readouterr().err.startswith(f"error: {complaint}")
    for labelled in (True, False):  # evaluate --data, and drift
        with (
            pytest.raises(UserError, match=f"^{complaint}"),
            as_split(cars, classifier, labelled=labelled),
        ):
            pass


def test_a_source_may_itself_be_a_link(cars: Path) -> None:
    Path("link").symlink_to("cars")
    assert [file.path for file in find(Path("link"))] == ["a/1.jpg", "b/2.jpg", "b/deep/3.jpg"]


def test_links_to_files_are_files_for_dvc_too(cars: Path) -> None:
    Path("elsewhere.jpg").write_text("elsewhere")
    (cars / "a/link.jpg").symlink_to("../../elsewhere.jpg")
    assert "a/link.jpg" in [file.path for file in find(cars) if not file.reason]
    git(Path.cwd(), "init", "-q")
    for words in (["init", "-q"], ["add", "cars"]):
        subprocess.run(["dvc", *words], env=ENVIRONMENT, check=True, capture_output=True)
    [out] = yaml.safe_load(Path("cars.dvc").read_text())["outs"]
    assert (out["nfiles"], out["size"]) == (4, len("elsewhere"))


@pytest.mark.parametrize("target", ["nowhere", "dead.jpg"])
def test_a_link_that_leads_nowhere_is_a_file_that_cannot_be_read(
    elsewhere: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_folder(Path("shapes"), per_class=1)
    Path("shapes/frame/dead.jpg").symlink_to(target)
    assert run_stage("prepare", source="shapes") == 2
    assert capsys.readouterr().err.startswith("error: shapes/frame/dead.jpg: ")


@pytest.mark.parametrize("kind", ["a FIFO", "a socket", "a device"])
@pytest.mark.parametrize("place", ["a/pipe.jpg", "pipe", "b/deep/pipe"])
def test_what_is_no_file_is_refused_before_it_is_opened(
    cars: Path, kind: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "a FIFO":
        os.mkfifo(cars / place)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(cars / place))
    else:
        (cars / place).symlink_to("/dev/zero")
    assert run_stage("prepare", source=cars) == 2
    assert capsys.readouterr().err == f"error: cars/{place}: {kind}, no file; remove it\n"


def test_a_socket_in_a_hidden_folder_is_left_out(cars: Path) -> None:
    (cars / ".git").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(cars / ".git/ipc"))
    assert [file.reason for file in find(cars)] == ["hidden", "", "", ""]


@pytest.mark.parametrize(
    "path",
    [
        ".a",
        "a/.b/1.jpg",
        "._1.jpg",
        "a/thumbs.DB",
        "a/desktop.ini",
        "Icon\r",
        "__MACOSX/a/1.jpg",
        "@eaDir/1.jpg",
        "a/$RECYCLE.BIN/1.jpg",
    ],
)
def test_what_systems_leave_is_not_visible(path: str) -> None:
    assert not visible(path)
    assert visible(f"x{path}".replace("/", "_"))
