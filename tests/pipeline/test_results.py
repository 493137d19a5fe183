"""The results of this machine beside those of a commit that another processor has made."""

import shutil
from pathlib import Path

import pytest

from tests.kit import clone
from tests.kit.clone import call, git

TEXTS = ("dvc.lock", "metrics", "plots")
ALARM = "drift.false_alarm_rate=0.1"
EXPERIMENT = ("dvc", "exp", "run", "--single-item", "-S", ALARM, "drift")
MODEL = Path("data/model/model.onnx")


def make(folder: Path, target: str) -> str:
    return call(folder, "make", "--no-print-directory", "-o", ".venv/.installed", target)


def texts(folder: Path) -> dict[str, bytes]:
    return {
        name: (folder / name).read_bytes()
        for name in git(folder, "ls-files", "-co", "--exclude-standard", *TEXTS).splitlines()
        if (folder / name).is_file()
    }


@pytest.fixture(scope="module")
def clash(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of results that were made elsewhere, in which the pipeline has run, too."""
    folder = tmp_path_factory.mktemp("results") / "clash"
    shutil.copytree(finished, folder, symlinks=True)
    git(folder, "branch", "-M", "main")
    git(folder, "add", *TEXTS)
    git(folder, "commit", "-qm", "results of another machine")
    for name in (".dvc/cache", "data/model", "data/checkpoint", "data/prepared", "data/reports"):
        shutil.rmtree(folder / name)  # nobody has pushed them
    call(folder, "dvc", "add", "-q", "data/shapes")
    with pytest.MonkeyPatch.context() as patch:
        # another processor: PyTorch without AVX2 adds in another order
        patch.setitem(clone.ENVIRONMENT, "ATEN_CPU_CAPABILITY", "default")
        said = make(folder, "repro").splitlines()[-1]
    assert said.startswith("Keep these results by `git add metrics plots && git commit` (staged")
    assert "M  dvc.lock" in git(folder, "status", "--porcelain")
    return folder


@pytest.fixture
def folder(clash: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clash, tmp_path / "copy", symlinks=True))


def test_the_committed_results_come_back_and_so_do_those_of_this_machine(folder: Path) -> None:
    ours, model = texts(folder), (folder / MODEL).read_bytes()
    said = make(folder, "committed-results")
    assert "no remote" in said
    assert git(folder, "status", "--porcelain") == ""
    assert texts(folder) != ours
    assert not (folder / MODEL).exists()  # else the next experiment would remove it
    make(folder, "check-lock")
    with pytest.raises(AssertionError, match=r"model\.onnx"):
        call(
            folder,
            "dvc",
            "exp",
            "run",
            "--single-item",
            "-S",
            "drift.false_alarm_rate=0.1",
            "drift",
        )
    git(folder, "restore", "params.yaml")
    said = make(folder, "keep-results")
    assert "staged already: dvc.lock metrics plots" in said
    assert (texts(folder), (folder / MODEL).read_bytes()) == (ours, model)
    assert "up to date" in call(folder, "dvc", "status")


def test_results_that_are_kept_are_neither_made_again_nor_removed(folder: Path) -> None:
    assert "Running stage" not in make(folder, "keep-results")
    git(folder, "commit", "-qm", "results of this machine")
    assert "nothing to commit" in make(folder, "repro")
    call(folder, "git", "config", "user.name", "test")
    call(folder, "git", "config", "user.email", "test@localhost")
    assert "Running stage 'drift'" in call(folder, *EXPERIMENT)
    assert (folder / MODEL).is_file()
    assert (folder / "data/checkpoint").is_dir()


def test_images_that_wait_to_be_added_and_other_changes_stay(folder: Path) -> None:
    late = folder / "data/shapes/disc/late.png"
    late.write_bytes((folder / "data/shapes/disc/disc-000.jpg").read_bytes())
    (folder / "plots/evaluate/strange.csv").write_text("a,b\n")
    (folder / "notes.txt").write_text("mine")
    params = (folder / "params.yaml").read_text().replace("epochs: 3", "epochs: 0")
    (folder / "params.yaml").write_text(params)
    assert "params.yaml: still changed" in make(folder, "committed-results")
    assert late.is_file()
    assert (folder / "notes.txt").is_file()
    assert not (folder / "plots/evaluate/strange.csv").exists()


def test_with_a_remote_the_committed_outputs_come_too(
    folder: Path, finished: Path, tmp_path: Path
) -> None:
    call(folder, "dvc", "remote", "add", "-d", "store", str(tmp_path / "store"))
    git(folder, "commit", "-qam", "remote")
    git(folder, "reset", "-q", "--soft", "HEAD~1")
    git(folder, "checkout", "-q", "HEAD", "--", *TEXTS)
    shutil.copytree(finished / ".dvc/cache/files", tmp_path / "store/files")
    assert "the committed ones." in make(folder, "committed-results")
    assert (folder / MODEL).read_bytes() == (finished / MODEL).read_bytes()


def test_the_lock_is_judged_without_data_that_lie_here(folder: Path) -> None:
    make(folder, "check-lock")
    git(folder, "restore", "--source=HEAD", "--staged", "--worktree", *TEXTS)
    make(folder, "check-lock")  # the model here is not the one that the lock names
    (folder / "metrics/train.json").write_text("{}")
    with pytest.raises(AssertionError, match=r"behind the code, params\.yaml or the results of"):
        make(folder, "check-lock")


@pytest.mark.parametrize("where", ["nowhere", "ignored", "outside", "added only"])
def test_images_that_nobody_else_can_have_are_named(
    folder: Path, where: str, tmp_path: Path
) -> None:
    source = {"outside": str(tmp_path / "cars")}.get(where, "data/cars")
    shutil.copytree(folder / "data/shapes", folder / source)
    if where == "ignored":
        (folder / "data/.gitignore").write_text("/shapes\n/cars\n")
    lock = (folder / "dvc.lock").read_text().replace("path: data/shapes\n", f"path: {source}\n")
    (folder / "dvc.lock").write_text(lock)
    if where == "added only":
        call(folder, "dvc", "add", "-q", "data/cars")
        git(folder, "reset", "-q", "data/cars.dvc")
    with pytest.raises(AssertionError, match=f"prepare has read {source}, which nobody else"):
        make(folder, "check-lock")
