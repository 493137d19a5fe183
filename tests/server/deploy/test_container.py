"""The image `server-cpu`, built and run as a platform would: as nobody, PID 1, nothing writable.

Needs root and buildah; BASE_IMAGE names another base than the Dockerfile's, which is fetched.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from tests.kit.drawing import photograph
from tests.kit.stage import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("buildah"), reason="needs root and buildah"
    ),
]

LIMIT = 300  # MB above its base, with the model
BASE = os.environ.get("BASE_IMAGE", "")
ENVIRONMENT = {**os.environ, "BUILDAH_ISOLATION": "chroot", "STORAGE_DRIVER": "vfs"}
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
RUN = """
mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && mount -t proc proc "$1/proc"
exec env -i PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp \\
    SERVER_PORT="$2" SERVER_PREDICTION_LOG=stdout SERVER_MODEL=/srv/data/tiny.onnx \\
    /usr/sbin/chroot --userspec=10001:10001 "$1" \\
    sh -c 'cd /srv && ! touch /tmp/x 2> /dev/null && exec python -m server'
"""


def buildah(*words: str) -> str:
    done = subprocess.run(
        ["buildah", *words],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=900,
    )
    return done.stdout.strip().splitlines()[-1]


@contextmanager
def built(*words: str) -> Iterator[Path]:
    """Build the image; yield its root file system."""
    other = ["--build-arg", f"BASE_IMAGE={BASE}"] if BASE else []
    trust = ["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro", "--env", f"PIP_CERT={CERTIFICATES}"]
    image = buildah("build", "--network=host", *other, *trust, *words, "--target=server-cpu", ".")
    container = buildah("from", image)
    yield Path(buildah("mount", container))
    buildah("rm", container)


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """The image as the README builds it."""
    with built() as root:
        yield root


@contextmanager
def running(root: Path) -> Iterator[tuple[str, subprocess.Popen[str], int]]:
    """Run the server in namespaces of its own; yield address, process and its PID out here."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = ["sh", "-c", RUN, "run", str(root), str(port)]
    process = subprocess.Popen(
        ["unshare", *["--pid", "--fork", "--mount", "--kill-child"], *script],
        stdout=subprocess.PIPE,
        text=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            assert process.poll() is None, "the server stopped"
            with suppress(httpx2.ConnectError):
                httpx2.get(f"{address}/health/ready")
                break
            time.sleep(0.1)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield address, process, int(children[0])
    finally:
        process.kill()
        process.wait(20)
        if process.stdout:
            process.stdout.close()


def test_it_answers_as_nobody_where_nothing_is_writable_and_ends_at_sigterm(
    root: Path, model: Path
) -> None:
    shutil.copy(model, root / "srv/data/tiny.onnx")
    with running(root) as (address, process, pid):
        assert httpx2.get(f"{address}/health/ready").status_code == 200
        answer = httpx2.post(f"{address}/predict", content=photograph())
        assert answer.status_code == 200
        about = Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^NSpid:\t\d+\t1$", about, re.MULTILINE), "it is PID 1"
        assert re.search(r"^Uid:\t10001\t", about, re.MULTILINE)
        os.kill(pid, signal.SIGTERM)
        rows, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        assert [json.loads(line)["id"] for line in rows.splitlines()] == [answer.json()["id"]]


def test_it_is_small_and_has_no_torch(root: Path) -> None:
    packages = {path.name for path in root.glob("opt/venv/lib/python3*/site-packages/*")}
    assert "onnxruntime" in packages
    assert not {"torch", "pip", "nvidia", "dvc"} & packages
    files = [path for top in ("opt/venv", "srv") for path in (root / top).rglob("*")]
    size = sum(path.lstat().st_size for path in files if not path.is_symlink()) / 1e6
    print(f"server-cpu: {size:.0f} MB above its base, limit {LIMIT}")
    assert size <= LIMIT


def test_with_monitoring_a_report_is_made_where_nothing_is_writable(model: Path) -> None:
    with built("--build-arg=EXTRAS=gs monitoring") as root:
        shutil.copy(model, root / "srv/data/tiny.onnx")
        shutil.copy(model.parent / "reference.parquet", root / "srv/data")
        with running(root) as (address, _, _):
            for _ in range(12):
                httpx2.post(f"{address}/predict", content=photograph()).raise_for_status()
            for _ in range(120):
                answer = httpx2.get(f"{address}/monitoring.json")
                if answer.status_code != 503:
                    break
                time.sleep(1)
            assert answer.status_code == 200, answer.text
            assert answer.json()["judged_rows"] == 12
