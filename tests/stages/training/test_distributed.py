"""Training in several processes: the same training, and it outlives the loss of one."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file

from server.errors import UserError
from stages.network.network import create
from stages.training.distributed import ProcessGroup
from tests.kit.clone import ENVIRONMENT
from tests.kit.machines import machines
from tests.kit.stage import PARAMS, ROOT, TINY, arguments
from tests.stages.training.test_resume import saved

CPU = torch.device("cpu")
TWO = "torchrun --nproc-per-node=2"
# their names lead two network namespaces nowhere, so addresses and roles are said
FIRST = "--rdzv-conf=is_host=1 --local-addr=10.99.0.1"
SECOND = "--rdzv-conf=is_host=0 --local-addr=10.99.0.2"
# no batch norm, which sees a process's part alone on the CPU; nothing drawn but the order. Of 36
# images the last batch of 7 is one of 1, and joins the one before; two batches are a step.
EQUAL = {
    "architecture": "test_convnext",
    "batch_size": 7,
    "accumulate": 2,
    "dropout": 0.0,
    "flip": "none",
    "turns": "none",
}


def start(
    folder: Path, prepared: Path, launch: str, *, inside: tuple[str, ...] = (), **changes: object
) -> subprocess.Popen[str]:
    """Start to train in `folder`."""
    folder.mkdir(exist_ok=True)
    options = {**PARAMS["train"], **TINY["train"], **changes, "prepared": prepared}
    return subprocess.Popen(
        [*inside, sys.executable, "-m", "stages.train", *arguments(options)],
        cwd=folder,
        env={
            **ENVIRONMENT,
            "PYTHONPATH": str(ROOT),
            "TRAIN_LAUNCH": launch,
            "TRAIN_CHECKPOINT_DIR": str(folder / "states"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    return said


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "data/checkpoint/weights.safetensors")


def losses(folder: Path) -> list[float]:
    """Return those of train and of validation, epoch for epoch."""
    files = [
        folder / f"plots/train/plots/metrics/{name}/loss.tsv" for name in ("train", "validation")
    ]
    return [float(line.split("\t")[-1]) for f in files for line in f.read_text().splitlines()[1:]]


def compare(one: Path, two: Path) -> None:
    """Hold two trainings to be the same up to rounding."""
    assert len(losses(one)) == 2 * TINY["train"]["epochs"]
    assert losses(two) == pytest.approx(losses(one), abs=1e-5)
    first, second = weights(one), weights(two)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.allclose(tensor, second[name], atol=1e-4), name


@pytest.fixture(scope="module")
def alone(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one process has trained."""
    folder = tmp_path_factory.mktemp("alone")
    finish(start(folder, built / "data/prepared", "", **EQUAL))
    return folder


def test_two_processes_are_one_with_the_same_batch(
    built: Path, alone: Path, tmp_path: Path
) -> None:
    said = finish(start(tmp_path, built / "data/prepared", TWO, **EQUAL))
    assert "on 2 processes on CPU" in said
    assert said.count("epoch 3 of 3") == 1
    compare(alone, tmp_path)


@pytest.mark.slow
def test_a_killed_worker_starts_again_and_the_end_is_the_same(built: Path, tmp_path: Path) -> None:
    drawn = {"epochs": 12, "dropout": 0.3, "ema": 0.9, "mixup": 0.2, "batch_size": 8}
    prepared, ends = built / "data/prepared", []
    for name in ("whole", "killed"):
        process = start(tmp_path / name, prepared, f"{TWO} --max-restarts=1", **drawn)
        if name == "killed":
            end = time.monotonic() + 120
            while max(saved(tmp_path / name / "states"), default=0) < 2:
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < end
                time.sleep(0.002)
            second = max(psutil.Process(process.pid).children(), key=lambda one: one.pid)
            second.send_signal(signal.SIGKILL)
        said = finish(process)
        assert ("train: goes on after epoch " in said) == (name == "killed")
        ends.append((tmp_path / name / "data/checkpoint/weights.safetensors").read_bytes())
        assert not list((tmp_path / name / "states").iterdir())
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    ("images", "batch", "count"), [(36, 7, 2), (36, 7, 1), (17, 5, 3), (8, 8, 8)]
)
def test_each_image_is_in_one_part_and_nobody_is_without(
    images: int, batch: int, count: int
) -> None:
    order = np.random.default_rng(0).permutation(images)
    parts = [
        [one.share(order[start:end]) for start, end in one.batch_bounds(images, batch)]
        for one in (ProcessGroup(CPU, rank, count) for rank in range(count))
    ]
    assert min(len(part) for process in parts for part in process) >= 1
    assert sorted(np.concatenate([np.concatenate(process) for process in parts])) == list(
        range(images)
    )


def test_fewer_images_than_processes_are_refused() -> None:
    with pytest.raises(UserError, match="3 processes need an image each of 36 and of a batch of 2"):
        ProcessGroup(CPU, 0, 3).batch_bounds(36, 2)
    with pytest.raises(UserError, match="3 processes need 2 images each of 36 and of a batch of 5"):
        ProcessGroup(CPU, 0, 3).batch_bounds(36, 5, least=2)
    with pytest.raises(UserError, match="train: 1 image to learn from, it needs 2; add some"):
        ProcessGroup(CPU).batch_bounds(1, 8, least=2)


@pytest.mark.parametrize(
    ("images", "batch", "count", "sizes"),
    [(33, 8, 1, [8, 8, 8, 9]), (34, 8, 1, [8, 8, 8, 8, 2]), (19, 8, 2, [8, 11]), (9, 8, 1, [9])],
)
def test_a_last_batch_too_small_to_learn_from_joins_the_one_before(
    images: int, batch: int, count: int, sizes: list[int]
) -> None:
    bounds = ProcessGroup(CPU, 0, count).batch_bounds(images, batch, least=2)
    assert [end - start for start, end in bounds] == sizes


def test_on_gpus_one_image_a_process_is_enough_as_batch_norms_see_all() -> None:
    assert ProcessGroup(torch.device("cuda", 0), 0, 2).least_to_learn == 1
    assert ProcessGroup(torch.device("cuda", 0)).least_to_learn == 2
    assert ProcessGroup(CPU, 0, 2).least_to_learn == 2


def test_a_launcher_that_is_not_there_is_named(built: Path, tmp_path: Path) -> None:
    process = start(tmp_path, built / "data/prepared", "torchrum --nproc-per-node=2")
    said = process.communicate()[0]
    assert process.returncode == 2
    assert said == (
        "error: TRAIN_LAUNCH=torchrum: no such command; say 'torchrun --nproc-per-node=8'\n"
    )


def test_on_gpus_batch_norms_see_all_of_a_batch_and_nothing_is_renamed() -> None:
    network = create("test_efficientnet", classes=2, weights="none")
    names = list(network.state_dict())
    network.body = ProcessGroup(torch.device("cuda", 0), 0, 2).sync_batch_norm(network.body)
    kinds = {
        type(module).__name__
        for module in network.modules()
        if "BatchNorm" in type(module).__name__
    }
    assert kinds == {"SyncBatchNormAct"}
    assert list(network.state_dict()) == names
    network.freeze(2)
    assert not network.train().body.bn1.training


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_two_machines_train_together_by_the_line_that_the_first_prints(
    built: Path, alone: Path, tmp_path: Path
) -> None:
    meet = "--rdzv-backend=c10d --rdzv-endpoint=10.99.0.1:29400 --rdzv-id=one"
    launch = f"torchrun --nnodes=2 --nproc-per-node=1 {meet} {FIRST}"
    prepared = built / "data/prepared"
    with machines() as (here, there):
        first = start(tmp_path / "first", prepared, launch, inside=here, **EQUAL)
        assert first.stdout is not None
        line = first.stdout.readline()
        assert line.startswith("train: on each other machine: ")
        said = line.removeprefix("train: on each other machine: ")
        assert FIRST in said
        said = said.replace(FIRST, SECOND)
        (tmp_path / "second").mkdir()
        second = subprocess.Popen(
            [*there, "sh", "-c", said],
            cwd=tmp_path / "second",
            env={**ENVIRONMENT, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        finish(first)
        finish(second)
    compare(alone, tmp_path / "first")
    assert not list((tmp_path / "second").iterdir())
    assert shlex.split(said)[1:4] == ["python", "-m", "stages.train"]
