import os
import signal
from pathlib import Path

import pytest
from filelock import FileLock

from server.model.classifier import Classifier
from tests.kit.clone import make_origin, run_in_a_clone
from tests.kit.drawing import draw_folder
from tests.kit.stage import run_stage

# a job of a shell ignores it, and so would all that tests start
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what needs the finished clone first: it takes longest."""
    items.sort(key=lambda item: "finished" not in getattr(item, "fixturenames", ()))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new folder as current folder: no test writes to the repository."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of class folders, 24 images each."""
    return draw_folder(tmp_path_factory.mktemp("source") / "photographs", per_class=24)


@pytest.fixture(scope="session")
def built(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which prepare, train and export-onnx have run on the photographs."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert run_stage("prepare", source=photographs) == 0
        assert run_stage("train") == 0
        assert run_stage("export") == 0
    return folder


@pytest.fixture
def workspace(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The built folder as current folder; tests write elsewhere."""
    monkeypatch.chdir(built)
    return built


@pytest.fixture(scope="session")
def model(built: Path) -> Path:
    """The artefact of the built folder."""
    return built / "data/model/model.onnx"


@pytest.fixture(scope="session")
def classifier(model: Path) -> Classifier:
    """That artefact, opened."""
    return Classifier(model)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all workers of this run."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def origin(shared: Path) -> Path:
    """A repository with tiny images and parameters; tests write to copies."""
    with FileLock(shared / "origin.lock"):
        return made(shared / "origin") or make_origin(shared / "origin")


@pytest.fixture(scope="session")
def finished(origin: Path, shared: Path) -> Path:
    """A clone of it in which all of the pipeline has run; tests write to copies."""
    with FileLock(shared / "finished.lock"):
        return made(shared / "finished") or run_in_a_clone(origin, shared / "finished")


def made(folder: Path) -> Path | None:
    """Return the folder if another worker has made it."""
    return folder if folder.exists() else None
