"""A training that is killed goes on where it was, and ends as if nothing had happened."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from pickle import UnpicklingError

import psutil
import pytest
import torch

from server.errors import UserError
from stages.training.resume import ResumeState, key, load
from tests.kit.clone import ENVIRONMENT, call
from tests.kit.stage import PARAMS, ROOT, TINY, arguments, run_stage

EPOCHS = 6
RECIPE = {
    "epochs": EPOCHS,
    "ema": 0.9,
    "mixup": 0.2,
    "dropout": 0.3,
    "rotation": 10.0,
    "scale": 0.5,
    "color": 0.4,
    "degrade": 0.5,
    "erase": 0.5,
    "auto": "trivialaugment",
}


def start(folder: Path, prepared: Path, states: Path) -> subprocess.Popen[str]:
    """Start to train in `folder`, with everything on that draws random numbers."""
    options = {**PARAMS["train"], **TINY["train"], **RECIPE, "prepared": prepared}
    return subprocess.Popen(
        [sys.executable, "-m", "stages.train", *arguments(options)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TRAIN_CHECKPOINT_DIR": str(states)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def saved(states: Path) -> list[int]:
    """Return the epochs whose states are there."""
    return sorted(int(file.name[:6]) for file in states.glob("*/0*.pt"))


def wait_for(process: subprocess.Popen[str], states: Path, epoch: int) -> None:
    """Wait until a training has saved `epoch`."""
    end = time.monotonic() + 120
    while max(saved(states), default=0) < epoch:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.005)


def kill_after(process: subprocess.Popen[str], states: Path, epoch: int) -> None:
    """Kill a training, and all that it started, as soon as it has saved `epoch`."""
    wait_for(process, states, epoch)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def results(folder: Path) -> dict[str, bytes]:
    """Return every file that training promises to repeat."""
    files = [
        file
        for name in ("data/checkpoint", "data/reports", "plots", "metrics")
        for file in sorted((folder / name).rglob("*"))
        if file.is_file()
    ]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def whole(built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an uninterrupted training comes to."""
    folder = tmp_path_factory.mktemp("whole")
    process = start(folder, built / "data/prepared", folder / "states")
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert "goes on" not in said
    assert not list((folder / "states").iterdir())
    return results(folder)


def test_killed_twice_it_ends_in_the_same_bytes(
    built: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    states, prepared = tmp_path / "states", built / "data/prepared"
    for epoch in (1, 3):
        kill_after(start(tmp_path, prepared, states), states, epoch)
        assert not (tmp_path / "data/checkpoint").exists()
    process = start(tmp_path, prepared, states)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert "train: goes on after epoch " in said
    assert results(tmp_path) == whole
    assert not list(states.iterdir())


def test_ctrl_c_says_from_where_it_goes_on(built: Path, tmp_path: Path) -> None:
    states, prepared = tmp_path / "states", built / "data/prepared"
    process = start(tmp_path, prepared, states)
    wait_for(process, states, 2)
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert f"train: stopped; the same command goes on after epoch {saved(states)[-1]}\n" in said
    assert said.splitlines()[-1].startswith("error: stopped by Ctrl-C; run the same command again")
    assert "Traceback" not in said


def test_ctrl_c_while_torch_is_imported_is_one_line(tmp_path: Path) -> None:
    process = start(tmp_path, tmp_path, tmp_path)
    while not any("libtorch" in one.path for one in psutil.Process(process.pid).memory_maps()):
        assert process.poll() is None, process.communicate()[0]
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode != 0
    assert said == "error: stopped by Ctrl-C; run the same command again to go on\n"


def test_a_torn_or_foreign_state_is_never_taken(
    built: Path, tmp_path: Path, whole: dict[str, bytes]
) -> None:
    states, prepared = tmp_path / "states", built / "data/prepared"
    kill_after(start(tmp_path, prepared, states), states, 2)
    [file] = states.glob("*/*.pt")
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    file.with_name("000009-" + "0" * 32 + ".pt").write_bytes(b"torn")
    process = start(tmp_path, prepared, states)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert "goes on" not in said
    assert results(tmp_path) == whole


def test_what_decides_the_result_decides_the_name() -> None:
    assert key({"lr": 0.1}, "CPU") == key({"lr": 0.1}, "CPU")
    assert key({"lr": 0.1}, "CPU") != key({"lr": 0.2}, "CPU")
    assert key({"lr": 0.1}, "CPU") != key({"lr": 0.1}, "CUDA")


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    image = torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    state = {"a": {1: image, "b": [torch.eye(2), 0.1, None]}, "c": 2**70, "d": {}}
    kept = ResumeState(tmp_path / "one")
    kept.save(1, {"old": 1})
    kept.save(2, state)
    assert len(list((tmp_path / "one").iterdir())) == 1
    loaded = load(ResumeState(tmp_path / "one").newest())
    again = loaded["a"].pop(1)
    assert torch.equal(again, image)
    assert again.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(loaded["a"]["b"].pop(0), torch.eye(2))
    assert loaded == {"a": {"b": [0.1, None]}, "c": 2**70, "d": {}}
    kept.clear()
    assert not (tmp_path / "one").exists()


def test_a_state_that_holds_code_is_not_loaded(tmp_path: Path) -> None:
    kept = ResumeState(tmp_path)
    kept.save(1, {"path": tmp_path})  # an object, which only running its class brings back
    with pytest.raises(UnpicklingError, match="Weights only load failed"):
        load(kept.newest())


def test_a_folder_that_cannot_be_written_is_said_before_training(
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRAIN_CHECKPOINT_DIR", str(tmp_path / "file"))
    assert run_stage("train", checkpoint=tmp_path / "checkpoint") == 2
    printed = capsys.readouterr()
    assert "Not a directory; training keeps its state there" in printed.err
    assert "TRAIN_CHECKPOINT_DIR" in printed.err
    assert "epoch 1" not in printed.out
    with pytest.raises(UserError, match="mend its rights"):
        ResumeState(tmp_path / "file/more")


@pytest.fixture(scope="module")
def ready(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which `prepare` has run, and training takes some seconds."""
    folder = tmp_path_factory.mktemp("ready") / "copy"
    shutil.copytree(origin, folder, symlinks=True)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("epochs: 3", "epochs: 15"))
    call(folder, "dvc", "repro", "-q", "prepare")
    call(folder, "git", "add", ".")
    return folder


@pytest.mark.parametrize(
    "command",
    [
        ("repro",),
        pytest.param(("exp", "run", "--temp"), marks=pytest.mark.slow),
        pytest.param(("exp", "run"), marks=pytest.mark.slow),
    ],
    ids=["repro", "exp run --temp", "exp run"],
)
def test_dvc_takes_it_up_again(ready: Path, tmp_path: Path, command: tuple[str, ...]) -> None:
    folder = Path(shutil.copytree(ready, tmp_path / "copy", symlinks=True))
    states = folder / ".dvc/tmp/train"
    words = ("dvc", *command, "train")
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    kill_after(process, states, 2)
    assert saved(states)
    assert "train: goes on after epoch " in call(folder, *words)
    assert not list(states.iterdir())


@pytest.mark.slow
def test_a_queued_experiment_takes_it_up_again(ready: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(ready, tmp_path / "copy", symlinks=True))
    states = folder / ".dvc/tmp/train"
    queue = ("dvc", "exp", "run", "--queue", "-S", "train.epochs=60", "train")
    said = ""
    for turn in range(2):
        call(folder, *queue, "--name", f"turn-{turn}")
        # no pipe: the worker would inherit it, and keep it open
        subprocess.run(("dvc", "queue", "start"), cwd=folder, env=ENVIRONMENT, check=True)
        end = time.monotonic() + 60
        while turn == 0 and max(saved(states), default=0) < 2:
            assert time.monotonic() < end
            time.sleep(0.01)
        for one in psutil.process_iter(["cmdline"]) if turn == 0 else ():
            if "stages.train" in (one.info["cmdline"] or []) and str(states.parent) in one.cwd():
                one.kill()
        end = time.monotonic() + 120
        while "Running" in (said := call(folder, "dvc", "queue", "status")) or "Queued" in said:
            assert time.monotonic() < end, said
            time.sleep(0.5)
    assert "Failed" in said
    assert "Success" in said
    assert "train: goes on after epoch " in call(folder, "dvc", "queue", "logs", "turn-1")
    assert not list(states.iterdir())
