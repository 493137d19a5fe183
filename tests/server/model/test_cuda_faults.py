"""A GPU that is hidden, or full: one line or one error, never the CPU without a word."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.model.providers import CUDA, driver_version
from tests.kit.drawing import photograph
from tests.kit.live import environment, serve

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(driver_version() is None, reason="no NVIDIA driver on this machine"),
]

HOG = """
import sys, torch
taken, size = [], 1 << 30
while size >= 1 << 20:
    try:
        taken.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
    except torch.OutOfMemoryError:
        size //= 2
print("full", flush=True)
sys.stdin.read()
"""


@contextmanager
def full_gpu() -> Iterator[None]:
    """Take all of its memory, in a process of another program, until the end of the block."""
    hog = subprocess.Popen(
        [sys.executable, "-c", HOG], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert hog.stdin
    assert hog.stdout
    try:
        assert hog.stdout.readline() == b"full\n"
        yield
    finally:
        hog.stdin.close()
        hog.wait(60)


def start(folder: Path, model: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Start a server that requires CUDA, and is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "server"],
        cwd=folder,
        env={**environment(model, PROVIDER="require-cuda"), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_hidden_gpu_stops_a_server_that_requires_it(model: Path, tmp_path: Path) -> None:
    done = start(tmp_path, model, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert "CUDA is required, but" in done.stderr.splitlines()[-1]


def test_a_hidden_gpu_makes_a_server_that_wants_it_degraded(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with serve(tmp_path, model, PROVIDER="cuda") as live:
        health = live.client.get("/health").json()
    assert (health["status"], health["provider"]) == ("degraded", "CPUExecutionProvider")
    assert health["fallback"]


def test_a_full_gpu_stops_a_server_that_requires_it(model: Path, tmp_path: Path) -> None:
    with full_gpu():
        done = start(tmp_path, model)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("graphs", ["off", "on"])
def test_memory_taken_by_others_in_mid_traffic_moves_nothing_to_the_cpu(
    model: Path, tmp_path: Path, graphs: str
) -> None:
    with serve(tmp_path, model, PROVIDER="require-cuda", CUDA_GRAPHS=graphs) as live:
        before = live.client.post("/predict", content=photograph()).json()
        with full_gpu():
            seen = [live.client.post("/predict", content=photograph()) for _ in range(20)]
            files = [("images", (f"{n}.jpg", photograph())) for n in range(16)]
            batch = live.client.post("/predict_batch", files=files)
        after = live.client.post("/predict", content=photograph())
    codes = {answer.status_code for answer in [*seen, batch]}
    assert codes <= {200, 500}, codes
    print(json.dumps({"statuses": sorted(codes)}))
    for answer in [*seen, after]:
        if answer.status_code == 200:
            assert answer.headers["x-execution-provider"] == CUDA
            assert answer.json()["probabilities"] == pytest.approx(
                before["probabilities"], abs=1e-3
            )
    assert after.status_code == 200
