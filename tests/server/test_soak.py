"""Minutes of everything at once: memory, files and threads must not grow."""

import random
import threading
import time
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.kit.corpus import foul, spoilt
from tests.kit.drawing import photograph
from tests.kit.live import serve

SECONDS = 300
EVERY = 10  # seconds between two looks
CLIENTS = 6
GROWTH = 0.05  # share by which the memory of the last minute may exceed that of the second
IMAGES = [photograph(form) for form in ("PNG", "JPEG", "BMP", "WEBP")]
KINDS = ("good", "bad", "batch", "health", "leave", "new")
WEIGHTS = (60, 15, 10, 5, 5, 5)
BAD = list((foul() | spoilt()).values())


def pester(url: str, seed: int, end: float, seen: list[int]) -> None:
    """Ask good, bad and impatient questions until `end`; note each status."""
    rng = random.Random(seed)
    client = httpx2.Client(base_url=url, timeout=30)
    while time.monotonic() < end:
        match rng.choices(
            ("good", "bad", "batch", "health", "leave", "new"), (60, 15, 10, 5, 5, 5)
        ):
            case ["good"]:
                seen.append(client.post("/predict", content=rng.choice(IMAGES)).status_code)
            case ["bad"]:
                answer = client.post("/predict", files={"image": rng.choice(BAD)})
                seen.append(answer.status_code)
            case ["batch"]:
                files = [("images", rng.choice(IMAGES + BAD)) for _ in range(5)]
                seen.append(client.post("/predict_batch", files=files).status_code)
            case ["health"]:
                path = rng.choice(("/health", "/metrics", "/classes", "/openapi.json", "/none"))
                seen.append(client.get(path).status_code)
            case ["leave"]:
                try:
                    client.post("/predict", content=IMAGES[0], timeout=0.001)
                except httpx2.TimeoutException:
                    continue
            case _:
                client.close()
                client = httpx2.Client(base_url=url, timeout=30)
    client.close()


@pytest.mark.slow
@pytest.mark.timeout(2 * SECONDS)
def test_nothing_grows(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, model) as live:
        server = psutil.Process(live.process.pid)
        seen: list[int] = []
        end = time.monotonic() + SECONDS
        threads = [
            threading.Thread(target=pester, args=(live.url, seed, end, seen))
            for seed in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        looks = []
        while time.monotonic() < end - EVERY:
            time.sleep(EVERY)
            looks.append((server.memory_info().rss, server.num_fds(), server.num_threads()))
        for thread in threads:
            thread.join()
        assert set(seen) <= {200, 400, 404, 413}
        assert live.client.get("/health").json()["status"] == "ok"
        minute = 60 // EVERY
        early, late = looks[minute : 2 * minute], looks[-minute:]
        memory, files, count = ([look[index] for look in looks] for index in range(3))
        print(
            f"{len(seen):,} answers in {SECONDS} s; memory {early[0][0] / 1e6:.0f} MB after a "
            f"minute, {memory[-1] / 1e6:.0f} MB at the end; files at most {max(files)}, "
            f"threads {min(count)} to {max(count)}"
        )
        assert max(look[0] for look in late) < (1 + GROWTH) * max(look[0] for look in early)
        assert max(look[1] for look in late) <= max(look[1] for look in early) + CLIENTS
        assert max(look[2] for look in late) <= max(look[2] for look in early)
