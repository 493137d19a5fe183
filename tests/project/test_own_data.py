"""The suite where data, classes and parameters are somebody else's."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.clone import ENVIRONMENT, add_page, call, git, is_own_data
from tests.kit.drawing import draw_folder
from tests.kit.stage import ROOT

CARS = {"disc": "Hyundai Creta", "frame": "Rolls Royce", "stripes": "Tata Safari"}
CHANGED = (
    "prepare.source=data/cars",
    "prepare.image_size=96",
    "prepare.on_bad_image=skip",
    "prepare.seed=7",
    "train.architecture=test_resnet",
    "train.weights=none",
    "train.epochs=2",
    "train.label_smoothing=0",
    "train.seed=3",
    "export.temperature=none",
    "drift.false_alarm_rate=0.2",
)


@pytest.fixture(scope="module")
def cars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with photographs of cars, as the README says, and their committed results."""
    folder = tmp_path_factory.mktemp("own") / "project"
    for name in git(ROOT, "ls-files", "-z", "-co", "--exclude-standard").split("\0"):
        if (ROOT / name).is_file() and not is_own_data(name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    call(folder, "git", "init", "-q", "-b", "main")
    call(folder, "git", "config", "user.name", "test")
    call(folder, "git", "config", "user.email", "test@localhost")
    shutil.copy(ROOT / "tests/kit/corrections.csv", folder / "data/corrections.csv")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "project")
    add_page(folder)
    draw_folder(folder / "data/cars", per_class=20)
    for old, new in CARS.items():
        (folder / "data/cars" / old).rename(folder / "data/cars" / new)
    call(folder, "dvc", "add", "-q", "data/cars")
    call(folder, "dvc", "remote", "add", "-d", "ours", "gs://nobody/cars")
    changes = [word for change in CHANGED for word in ("-S", change)]
    call(folder, "dvc", "exp", "run", *changes)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "Classify cars")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_suite_passes_on_own_data(cars: Path) -> None:
    call(cars, sys.executable, "-m", "stages.reports.check_lock")
    words = ("-m", "pytest", "-q", "-m", "not slow", "--numprocesses", "2", "--dist", "loadfile")
    done = subprocess.run(
        [sys.executable, *words, "-p", "no:cacheprovider"],
        cwd=cars,
        env={**ENVIRONMENT, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
