"""A real server process on a free port."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.kit.stage import ROOT

LISTENING = re.compile(r"running on (http://(?:[\d.]+|\[[\da-f:]+\]):\d+)")


@dataclass
class Live:
    """What a test needs of a server: somebody who asks it, its process, what it wrote."""

    client: httpx2.Client
    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def url(self) -> str:
        """Where it listens."""
        return str(self.client.base_url)

    def logged(self) -> list[dict[str, Any]]:
        """Return the lines of its log; what libtiff and its like print in between is left out."""
        lines = (self.folder / "stderr").read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line[:1] == "{" and line.endswith("\n")]

    def requests(self, count: int = 1, **members: object) -> list[dict[str, Any]]:
        """Return the lines of requests with these members."""
        return self.lines(count, message="request", **members)

    def lines(self, count: int = 1, **members: object) -> list[dict[str, Any]]:
        """Wait for so many lines with these members; each is written after its answer."""
        for _ in range(1000):
            lines = [line for line in self.logged() if members.items() <= line.items()]
            if len(lines) >= count:
                break
            time.sleep(0.01)
        return lines

    def rows(self) -> list[dict[str, Any]]:
        """Return the complete rows of its prediction log."""
        files = sorted((self.folder / "data/predictions").glob("*.jsonl"))
        lines = [line for file in files for line in file.read_text().splitlines(keepends=True)]
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Send a signal and wait."""
        self.process.send_signal(how)
        return self.process.wait(30)


def environment(model: Path, **settings: str) -> dict[str, str]:
    """Return that of a server on a free port; settings without their `SERVER_`, in capitals."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SERVER_MODEL": str(model),
        "SERVER_PORT": "0",
        "SERVER_DRAIN": "0.1",
        **{f"SERVER_{name}": value for name, value in settings.items()},
    }


@contextmanager
def serve(folder: Path, model: Path, *, module: str = "server", **settings: str) -> Iterator[Live]:
    """Run `python -m server` in `folder`; settings without their `SERVER_`, in capitals."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "stderr").open("wb") as stderr, (folder / "stdout").open("wb") as stdout:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=folder,
            env=environment(model, **settings),
            stdout=stdout,
            stderr=stderr,
        )
    try:
        address = _address(process, folder / "stderr")
        with httpx2.Client(base_url=address, timeout=30) as client:
            yield Live(client, process, folder)
    finally:
        process.terminate()  # coverage is written at the end of a process
        try:
            process.wait(20)
        finally:
            process.kill()


def _address(process: subprocess.Popen[bytes], stderr: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := LISTENING.search(stderr.read_text()):
            return found[1]
        assert process.poll() is None, stderr.read_text()
        time.sleep(0.01)
    raise AssertionError(stderr.read_text())
