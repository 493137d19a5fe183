"""A Dask cluster on this machine: a scheduler and workers, each a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kit.stage import ROOT


@dataclass
class Cluster:
    """Where its scheduler listens, and its processes."""

    folder: Path
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]

    @property
    def address(self) -> str:
        """The address that PREPARE_SCHEDULER takes."""
        address: str = json.loads((self.folder / "scheduler.json").read_text())["address"]
        return address


def start(
    role: str, *words: str, code: Path = ROOT, inside: Sequence[str] = (), **environment: str
) -> subprocess.Popen[bytes]:
    """Start a scheduler or a worker that finds its code in a folder; `inside`: before its words."""
    return subprocess.Popen(
        [*inside, sys.executable, "-m", "dask", role, "--no-dashboard", *words],
        cwd=code,
        env={**os.environ, "PYTHONPATH": str(code), **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def cluster(
    folder: Path, *, code: Sequence[Path] = (ROOT, ROOT), protocol: str = "tcp", **settings: str
) -> Iterator[Cluster]:
    """Run a scheduler, and a worker of one thread for each folder of code."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "scheduler.json"
    where = ("--host", "127.0.0.1", "--protocol", protocol)
    scheduler = start("scheduler", "--port=0", f"--scheduler-file={file}", *where, **settings)
    running = Cluster(folder, scheduler, [])
    try:
        while not file.exists():
            assert scheduler.poll() is None, "the scheduler stopped"
            time.sleep(0.05)
        words = (f"--scheduler-file={file}", "--nthreads=1", "--no-nanny", *where[2:])
        words += (f"--local-directory={folder}",)
        running.workers += [start("worker", *words, code=one, **settings) for one in code]
        yield running
    finally:
        for process in (*running.workers, scheduler):
            process.kill()
            process.wait()


def certified(folder: Path) -> dict[str, str]:
    """Return what makes Dask speak tls:// alone, by a certificate that is made in `folder`."""
    key, certificate = str(folder / "key.pem"), str(folder / "cert.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=x",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    comm = "DASK_DISTRIBUTED__COMM"
    settings = {f"{comm}__REQUIRE_ENCRYPTION": "true", f"{comm}__TLS__CA_FILE": certificate}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        settings[f"{comm}__TLS__{role}__CERT"] = certificate
        settings[f"{comm}__TLS__{role}__KEY"] = key
    return settings
