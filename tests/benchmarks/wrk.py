"""wrk, the load generator (https://github.com/wg/wrk), as functions."""

import json
import os
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.kit.live import Live

IMAGES = re.compile(r"^prediction_batch_size_sum (\S+)", re.MULTILINE)
SCRIPT = """
local file = io.open(os.getenv("BODY"), "rb")
wrk.method, wrk.body = "POST", file:read("*a")
file:close()
wrk.headers["Content-Type"] = os.getenv("KIND")
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %f, "p95": %f, "p99": %f, ' ..
    '"refused": %d, "broken": %d}',
    summary.requests, summary.duration, latency:percentile(50) / 1000,
    latency:percentile(95) / 1000, latency:percentile(99) / 1000, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Load:
    """What wrk saw: answers a second, latencies in milliseconds, and what was no 2xx."""

    requests: int
    per_second: float
    p50: float
    p95: float
    p99: float
    refused: int
    broken: int


def load(url: str, body: Path, *, connections: int, seconds: int, kind: str = "image/*") -> Load:
    """Post `body` over and over on so many connections."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT)
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s"]
        run = subprocess.run(
            [*command, "-s", script.name, url],
            env={**os.environ, "BODY": str(body), "KIND": kind},
            capture_output=True,
            text=True,
            check=True,
        )
    seen = json.loads(run.stdout[run.stdout.rindex("{") :])
    per_second = seen["requests"] / seen.pop("microseconds") * 1e6
    return Load(per_second=per_second, **seen)


def load_and_cost(live: Live, body: Path, *, connections: int, seconds: int) -> tuple[Load, float]:
    """Post `body` to a server; return what wrk saw, and the server's CPU seconds an image.

    Images by the server's own count: it works on some that wrk does not wait for at its end.
    """
    before, images = _spent(live)
    seen = load(f"{live.url}/predict", body, connections=connections, seconds=seconds)
    while live.client.get("/health").json()["queue"]["images"]:
        time.sleep(0.05)
    after, more = _spent(live)
    return seen, (after - before) / (more - images)


def _spent(live: Live) -> tuple[float, float]:
    """Return the server's CPU seconds so far, and the images that its network has seen."""
    [images] = IMAGES.findall(live.client.get("/metrics").text)
    return sum(psutil.Process(live.process.pid).cpu_times()[:2]), float(images)
