"""A Dask cluster of real processes does what the cores of one machine do."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from server.errors import UserError
from stages.data.dataset import Dataset, Split
from stages.labels.embeddings import embeddings, on_worker
from stages.network.network import create
from stages.sources import cluster as module
from stages.sources.cluster import INSECURE, SCHEDULER, check_address, in_cluster
from stages.splits import close_hashes
from tests.kit.artefact import coloured, write_colour_artefact
from tests.kit.cluster import Cluster, certified, cluster, start
from tests.kit.drawing import draw_folder
from tests.kit.machines import machines
from tests.kit.stage import PARAMS, ROOT, TINY, arguments, run_stage
from tests.stages.sources.test_packed import contents
from tests.stages.splits.test_close_hashes import near_hashes
from tests.stages.test_predict import predict

pytestmark = pytest.mark.filterwarnings("default")  # Dask's own


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


def slow(seconds: float, value: int) -> int:
    time.sleep(seconds)
    return value


def test_prepare_comes_to_the_same_bytes(running: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    source = draw_folder(Path("shapes"), per_class=12)
    (source / "disc/none.jpg").write_text("no image")
    options = {"source": "shapes", "on_bad_image": "skip", "store": 1.5}
    assert run_stage("prepare", prepared="here", **options) == 0
    monkeypatch.setenv(SCHEDULER, running.address)
    assert run_stage("prepare", prepared="there", **options) == 0
    assert contents(Path("here")) == contents(Path("there"))


def test_predict_comes_to_the_same_bytes(running: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    artefact = write_colour_artefact(Path("model.onnx").absolute())
    Path("photos").mkdir()
    for number in range(70):
        coloured(("red", "lime", "blue")[number % 3]).save(f"photos/{number}.png")
    Path("photos/text").write_text("no image")
    for output in ("here.parquet", "there.parquet"):
        assert predict("photos", "--model", artefact, "--output", output) == 0
        monkeypatch.setenv(SCHEDULER, running.address)
    assert Path("here.parquet").read_bytes() == Path("there.parquet").read_bytes()


@pytest.mark.slow  # workers import torch
def test_review_comes_to_the_same_embeddings_up_to_rounding(
    running: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_stage("prepare", source=draw_folder(Path("shapes"), per_class=24)) == 0
    dataset = Dataset.open(Path("data/prepared"))
    split, card = Split(dataset.folder, dataset.card.classes, dataset.samples), dataset.card
    network = create("test_efficientnet", classes=3, weights="none", image_size=card.image_size)
    made = []
    for place in ("here", "there", "there again"):
        monkeypatch.setenv("DVC_ROOT", place)
        made.append(embeddings(network, split, card, torch.device("cpu")))
        monkeypatch.setenv(SCHEDULER, running.address)
    here, there, again = made
    assert here.shape == there.shape == (72, here.shape[1])
    assert np.abs(here - there).max() < 1e-4 * here.std(axis=0).min()
    assert there.tobytes() == again.tobytes()


def test_a_worker_with_another_torch_embeds_nothing() -> None:
    with pytest.raises(UserError, match=r"a worker has torch .* and torch 1 and timm 1 is here"):
        on_worker(None, "torch 1 and timm 1", np.zeros((1, 8, 8, 3), np.uint8))


def test_close_hashes_are_searched_there(running: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = near_hashes(200)
    here = close_hashes.close_hashes(hashes, distance=4)
    monkeypatch.setattr(close_hashes, "ALONE", 100)
    monkeypatch.setenv(SCHEDULER, running.address)
    assert np.array_equal(close_hashes.close_hashes(hashes, distance=4), here)


@pytest.mark.slow
def test_a_worker_that_is_killed_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster(tmp_path / "cluster") as started:
        monkeypatch.setenv(SCHEDULER, started.address)
        results = in_cluster(slow, ((0.05, number) for number in range(60)))
        assert [next(results) for _ in range(5)] == list(range(5))
        started.workers[0].send_signal(signal.SIGKILL)
        assert list(results) == list(range(5, 60))


@pytest.mark.slow  # Dask waits half a minute for it to come back
def test_a_scheduler_that_goes_away_is_one_line_and_nothing_is_half_written(tmp_path: Path) -> None:
    draw_folder(Path("shapes"), per_class=200)
    with cluster(tmp_path / "cluster", code=[ROOT]) as started:
        words = arguments({**PARAMS["prepare"], **TINY["prepare"], "source": "shapes"})
        process = subprocess.Popen(
            [sys.executable, "-m", "stages.prepare", *words],
            env={**os.environ, "PYTHONPATH": str(ROOT), SCHEDULER: started.address},
            stderr=subprocess.PIPE,
            text=True,
        )
        while not list(Path("data").glob(".prepared.draft/renderings/*")):
            assert process.poll() is None
            time.sleep(0.01)
        started.scheduler.kill()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith(f"error: {SCHEDULER}={started.address}: ")
    assert said.count("\n") == 1
    assert not list(Path("data").iterdir())


def test_a_worker_with_other_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stages", "server"):
        shutil.copytree(ROOT / name, tmp_path / "other" / name)
    with (tmp_path / "other/stages/sources/reading.py").open("a") as file:
        file.write("# a line more\n")
    with cluster(tmp_path / "cluster", code=[tmp_path / "other"]) as started:
        monkeypatch.setenv(SCHEDULER, started.address)
        with pytest.raises(UserError, match=r"the worker tcp://127\.0\.0\.1:\d+ runs another vers"):
            list(in_cluster(slow, [(0.0, 1)]))


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
def test_two_machines_prepare_what_one_does(tmp_path: Path) -> None:
    draw_folder(Path("shapes"), per_class=12)
    assert run_stage("prepare", source="shapes", prepared="alone") == 0
    address = "tcp://10.99.0.1:8786"
    with machines() as (here, there):
        where = ("--host=10.99.0.1", "--port=8786")
        started = [start("scheduler", *where, inside=here)]
        started.append(start("worker", address, "--nthreads=1", "--no-nanny", inside=there))
        options = {**PARAMS["prepare"], **TINY["prepare"], "source": "shapes", "prepared": "both"}
        done = subprocess.run(
            [*here, sys.executable, "-m", "stages.prepare", *arguments(options)],
            env={**os.environ, "PYTHONPATH": str(ROOT), SCHEDULER: address, INSECURE: "on"},
            capture_output=True,
            text=True,
            check=False,
        )
        for process in started:
            process.kill()
            process.wait()
    assert done.returncode == 0, done.stderr
    assert contents(Path("alone")) == contents(Path("both"))


@pytest.mark.slow
def test_who_has_no_certificate_is_not_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = certified(Path.cwd())
    program = (
        "from tests.stages.sources.test_cluster import slow; "
        "from stages.sources.cluster import in_cluster; "
        "print(list(in_cluster(slow, [(0.0, 1), (0.0, 2)])))"
    )
    with cluster(tmp_path / "cluster", protocol="tls", **settings) as started:
        assert started.address.startswith("tls://")
        for environment, said in ((settings, "[1, 2]"), ({}, f"{SCHEDULER}={started.address}: ")):
            done = subprocess.run(
                [sys.executable, "-c", program],
                cwd=ROOT,
                env={**os.environ, **environment, SCHEDULER: started.address},
                capture_output=True,
                text=True,
                check=False,
            )
            assert said in done.stdout + done.stderr


@pytest.mark.parametrize(
    "address", ["tls://10.0.0.1:8786", "tcp://127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:1"]
)
def test_certificates_or_this_machine_are_taken(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:8786", "tcp://scheduler:8786"])
def test_a_network_without_certificates_must_be_allowed(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=f"runs code there and here; use tls:// .* {INSECURE}=on"):
        check_address(address)
    monkeypatch.setenv(INSECURE, "on")
    check_address(address)


@pytest.mark.parametrize(
    "address", ["host:8786", "tls://host", "ws://host:1", "tcp://:1", "tls://x:y"]
)
def test_what_is_no_address_is_one_line(address: str) -> None:
    with pytest.raises(UserError, match="no address; say tls://host:8786"):
        check_address(address)


def test_nobody_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    monkeypatch.setenv(SCHEDULER, "tcp://127.0.0.1:9")
    with pytest.raises(UserError, match=f"^{SCHEDULER}=tcp://127.0.0.1:9: "):
        list(in_cluster(slow, [(0.0, 1)]))


def test_no_more_waits_on_the_cluster_than_its_threads_can_soon_do(
    running: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def calls() -> Iterator[tuple[float, int]]:
        for number in range(200):
            asked.append(number)
            yield 0.0, number

    monkeypatch.setenv(SCHEDULER, running.address)
    results = in_cluster(slow, calls())
    for number in range(100):
        assert next(results) == number
        assert len(asked) <= number + 2 * module.AHEAD + 1
    results.close()
    assert threading.active_count() < 50
