"""Which execution provider does the work, and who is told."""

import base64
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from server.app import create_app
from server.errors import ModelError
from server.model.classifier import Classifier
from server.model.policy import ProviderPolicy
from server.model.providers import (
    CPU,
    CUDA,
    TENSORRT,
    check_assignment,
    check_driver,
    driver_version,
)
from server.settings import Settings
from tests.kit.artefact import write_colour_artefact
from tests.kit.drawing import photograph
from tests.kit.live import serve
from tests.kit.stage import ROOT

QUIET = Settings(prediction_log="off")


def test_a_driver_that_is_missing_or_too_old_is_named() -> None:
    check_driver(13000)
    with pytest.raises(ModelError, match=r"^no CUDA driver: libcuda\.so\.1 is not"):
        check_driver(None)
    with pytest.raises(ModelError, match=r"supports CUDA 12\.2, CUDA 13\.0 needs driver 580"):
        check_driver(12020)


def test_convolutions_off_the_gpu_count_as_a_fallback() -> None:
    check_assignment([(CUDA, "Conv"), (CPU, "Shape"), (CUDA, "Gemm")])
    with pytest.raises(ModelError, match=r"do not run on CUDA: 3 nodes \(Conv, MatMul\)$"):
        check_assignment([(CUDA, "Conv"), (CPU, "Conv"), (CPU, "Conv"), (CPU, "MatMul")])
    check_assignment([(TENSORRT, "Conv"), (CUDA, "Cast")], TENSORRT)
    with pytest.raises(ModelError, match=r"do not run on TensorRT: 1 nodes \(Conv\)$"):
        check_assignment([(TENSORRT, "Conv"), (CUDA, "Conv")], TENSORRT)


@pytest.mark.skipif(driver_version() is not None, reason="this machine has an NVIDIA driver")
def test_why_it_runs_on_the_cpu_is_logged_once_a_process(model: Path) -> None:
    program = (
        "import logging; from pathlib import Path; from server.model.classifier import Classifier\n"
        "from server.model.policy import ProviderPolicy\n"
        "logging.basicConfig(level='INFO')\n"
        f"for _ in range(3): Classifier(Path({str(model)!r}), policy=ProviderPolicy.CUDA)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr.count("running on the CPU: no CUDA driver") == 1


def test_the_policy_of_the_cpu_is_no_fallback(built: Path) -> None:
    chosen = Classifier(built / "data/model/model.onnx", policy=ProviderPolicy.CPU, threads=1)
    assert (chosen.provider, chosen.fallback) == (CPU, None)


@pytest.mark.skipif(driver_version() is not None, reason="this machine has an NVIDIA driver")
def test_without_a_gpu_the_policies_differ(built: Path, tmp_path: Path) -> None:
    path = built / "data/model/model.onnx"
    with pytest.raises(ModelError, match="CUDA is required, but no CUDA driver"):
        Classifier(path, policy=ProviderPolicy.REQUIRE_CUDA)
    for policy, status, expected in (
        (ProviderPolicy.AUTO, "ok", False),
        (ProviderPolicy.CPU, "ok", False),
        (ProviderPolicy.CUDA, "degraded", True),
        (ProviderPolicy.TENSORRT, "degraded", True),
    ):
        fallen = Classifier(path, policy=policy)
        app = create_app(fallen, replace(QUIET, provider=policy))
        with TestClient(app) as client:
            answer = client.get("/health").json()
            assert (answer["status"], answer["ready"]) == (status, True)
            assert answer.get("fallback") == ("no CUDA driver" if expected else None)
            metric = f"execution_provider_fallback {float(expected)}"  # what the alert looks at
            assert metric in client.get("/metrics").text


DRIVER = """
int cuDriverGetVersion(int *version) {{ *version = {version}; return 0; }}
"""


def build_driver(folder: Path, version: int) -> None:
    (folder / "driver.c").write_text(DRIVER.format(version=version))
    subprocess.run(["cc", "-shared", "-o", "libcuda.so.1", "driver.c"], cwd=folder, check=True)


def run_beside_driver(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program where that driver, and an artefact, are."""
    write_colour_artefact(folder / "model.onnx")
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )


FALLBACK = """
from pathlib import Path
from server.model.classifier import Classifier
print(Classifier(Path("model.onnx")).fallback)
"""


@pytest.mark.skipif(driver_version() is not None, reason="this machine has an NVIDIA driver")
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize(
    ("version", "expected"), [(12020, "the NVIDIA driver is too old"), (0, "None")]
)
def test_auto_expects_cuda_where_there_is_a_driver(
    tmp_path: Path, version: int, expected: str
) -> None:
    """In the place of NVIDIA's library one of an old driver, and the stub for builds."""
    build_driver(tmp_path, version)
    done = run_beside_driver(tmp_path, FALLBACK)
    assert done.stdout.strip() == expected  # what /health says; the log has the versions
    assert ("it supports CUDA 12.2" in done.stderr) is (version == 12020)


TENSORRT_TOO = """
import logging
from pathlib import Path
from server.model.classifier import Classifier
from server.model.policy import ProviderPolicy
logging.basicConfig()
opened = Classifier(Path("model.onnx"), policy=ProviderPolicy.TENSORRT, engines=Path("engines"))
print(opened.provider, opened.fallback, Path("engines", opened.name).is_dir())
"""


@pytest.mark.skipif(driver_version() is not None, reason="this machine has an NVIDIA driver")
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_who_asks_for_tensorrt_is_told_of_each_step_down(tmp_path: Path) -> None:
    """With a driver of a sufficient version that is no driver: both providers really fail."""
    build_driver(tmp_path, 13000)
    done = run_beside_driver(tmp_path, TENSORRT_TOO)
    assert done.stdout.strip() == f"{CPU} TensorRT did not start True"
    [line] = [line for line in done.stderr.splitlines() if "running on" in line]
    assert "running on the CPU: TensorRT did not start: " in line
    assert "; CUDA did not start: " in line
    less = "from server.model.providers import onnxruntime\n"
    less += f"onnxruntime.get_available_providers = lambda: [{CPU!r}]\n"
    shutil.rmtree(tmp_path / "engines")
    done = run_beside_driver(tmp_path, less + TENSORRT_TOO)
    assert done.stdout.strip() == f"{CPU} no TensorRT provider False"
    assert "running on the CPU: no TensorRT provider: this build of onnx" in done.stderr


@pytest.mark.gpu
@pytest.mark.skipif(driver_version() is None, reason="no NVIDIA driver on this machine")
def test_a_server_that_requires_cuda_answers_from_it(built: Path, tmp_path: Path) -> None:
    path = built / "data/model/model.onnx"
    with serve(tmp_path, path, PROVIDER="require-cuda") as live:
        health = live.client.get("/health").json()
        assert (health["provider"], health["ready"]) == ("CUDAExecutionProvider", True)
        assert "fallback" not in health
        answer = live.client.post("/predict", content=photograph())
        assert answer.headers["x-execution-provider"] == "CUDAExecutionProvider"
    card = Classifier(path).metadata
    golden = base64.b64decode(card.golden_image)
    with serve(tmp_path / "golden", path, PREDICTION_LOG="stdout") as live:
        seen = live.client.post("/predict", content=golden).json()
        row = json.loads((tmp_path / "golden/stdout").read_text())
    assert row["provider"] == "CUDAExecutionProvider"
    assert list(seen["probabilities"].values()) == pytest.approx(
        card.golden_probabilities, abs=1e-3
    )


@pytest.mark.gpu
@pytest.mark.skipif(driver_version() is None, reason="no NVIDIA driver on this machine")
@pytest.mark.skipif(find_spec("tensorrt_libs") is None, reason="no package tensorrt-cu13-libs")
def test_a_server_on_tensorrt_answers_as_the_artefact_promises(built: Path, tmp_path: Path) -> None:
    path, engines = built / "data/model/model.onnx", tmp_path / "engines"
    card = Classifier(path).metadata
    for turn in ("built", "read again"):
        wanted = {"PROVIDER": "tensorrt", "TENSORRT_ENGINES": str(engines)}
        with serve(tmp_path / turn, path, **wanted) as live:
            answer = live.client.post("/predict", content=base64.b64decode(card.golden_image))
            health = live.client.get("/health").json()
        assert answer.headers["x-execution-provider"] == TENSORRT, health
        assert list(answer.json()["probabilities"].values()) == pytest.approx(
            card.golden_probabilities, abs=1e-3
        )
        [engine] = (engines / health["model"]).glob("*.engine")
    assert engine.stat().st_mtime < (tmp_path / "read again").stat().st_mtime
