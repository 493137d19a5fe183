"""What an edit reruns: the stages whose dependencies change with one line of each room."""

import json
import shutil
from pathlib import Path

import pytest

from tests.kit.clone import call

ALL = {"prepare", "train", "export-onnx", "evaluate", "drift"}
RERUNS = {
    "stages/cli": ALL,
    "stages/data": ALL,
    "stages/sources": {"prepare", "evaluate", "drift"},
    "stages/splits": {"prepare"},
    "stages/network": {"train", "export-onnx"},
    "stages/augmentation": {"train"},
    "stages/streaming": set(),  # no stage uses it yet
    "stages/training": {"train"},
    "stages/artefact": {"export-onnx"},
    "stages/answers": {"export-onnx", "evaluate", "drift"},
    "stages/evaluation": {"evaluate"},
    "stages/labels": set(),
    "stages/comparison": {"drift"},
    "stages/prediction": set(),
    "stages/reports": set(),
    "server/image": ALL,
    "server/model": {"export-onnx", "evaluate", "drift"},
    "server/drift": {"drift"},
    "server/storage": {"prepare", "evaluate", "drift"},
    "server/http": set(),
    "server/routes": set(),
    "server/inference": set(),
    "server/predictions": set(),
    "server/monitoring": set(),
    "server/telemetry": set(),
    "server/deploy": set(),
    "server/locks": set(),
}


@pytest.fixture(scope="module")
def changed(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The stages whose dependency on a room has changed, after an edit in each of them."""
    clone = tmp_path_factory.mktemp("rooms") / "clone"
    shutil.copytree(finished, clone, symlinks=True)
    assert json.loads(call(clone, "dvc", "status", "--json")) == {}
    for room in RERUNS:
        file = min(file for file in (clone / room).iterdir() if file.name != "__init__.py")
        file.write_text(file.read_text() + "# a line more\n")
    found: dict[str, set[str]] = {room: set() for room in RERUNS}
    for stage, changes in json.loads(call(clone, "dvc", "status", "--json")).items():
        for path in changes[0]["changed deps"]:
            found[path].add(stage)
    return found


def test_every_room_is_in_the_table(finished: Path) -> None:
    rooms = {
        f"{top}/{folder.name}"
        for top in ("stages", "server")
        for folder in (finished / top).iterdir()
        if folder.is_dir() and folder.name != "__pycache__"
    }
    assert rooms == set(RERUNS)


@pytest.mark.parametrize("room", RERUNS)
def test_an_edit_reruns_what_it_can_change_and_no_more(
    room: str, changed: dict[str, set[str]]
) -> None:
    assert changed[room] == RERUNS[room]
