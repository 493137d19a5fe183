"""A server whose clock jumps, by Debian's libfaketime."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.kit.drawing import photograph
from tests.kit.live import serve

LIBRARY = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@pytest.mark.skipif(
    not LIBRARY.exists() and "CI" not in os.environ, reason="no libfaketime: apt install faketime"
)
def test_a_clock_that_jumps_changes_dates_and_nothing_else(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    monkeypatch.setenv("LD_PRELOAD", str(LIBRARY))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(clock))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    with serve(tmp_path, model, PREDICTION_LOG="stdout", DEADLINE="2") as live:
        monkeypatch.delenv("LD_PRELOAD")
        for jump in ("+0", "+3d", "-3d", "+0"):
            clock.write_text(jump)
            for _ in range(3):
                answer = live.client.post("/predict", content=photograph())
                assert answer.status_code == 200
                assert 0 < float(answer.headers["server-timing"].rpartition("dur=")[2]) < 2000
        assert live.client.get("/health/ready").status_code == 200
    rows = [json.loads(line) for line in (tmp_path / "stdout").read_text().splitlines()]
    times = [datetime.fromisoformat(row["time"]) for row in rows]
    assert len({row["id"] for row in rows}) == 12
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert times[3] - times[2] > timedelta(days=2)
    assert times[6] - times[5] < timedelta(days=-5)
    assert all(0 <= value < 2000 for row in rows for value in row["milliseconds"].values())
