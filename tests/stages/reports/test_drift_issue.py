"""The issue about drift, told to a `gh` that notes what it is asked."""

import json
import os
from pathlib import Path

import pytest

from tests.kit.stage import run_stage

GH = """#!/usr/bin/env python3
import json, os, sys
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1:3] == ["issue", "list"]:
    print(os.environ["OPEN"])
if sys.argv[1] == os.environ.get("BROKEN"):
    sys.exit("HTTP 401: Bad credentials")
"""


@pytest.fixture(autouse=True)
def gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin/gh"
    program.parent.mkdir()
    program.write_text(GH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("OPEN", "")
    return tmp_path / "calls"


def verdicts(*, drifted: bool) -> None:
    column = {"test": "ks", "statistic": 0.001, "threshold": 0.01}
    found = {
        "false_alarm_rate": 0.05,
        "alarm": drifted,
        "reference_rows": 385,
        "current_rows": 12_000,
        "judged_rows": 10_000,
        "from": "2026-11-23T00:00:00.000+00:00",
        "to": "2026-11-24T12:00:00.000+00:00",
        "columns": {
            "brightness": {**column, "drifted": drifted},
            "contrast": {**column, "statistic": 0.5, "drifted": False},
        },
        "notes": ["3 torn lines are left out"],
    }
    Path("metrics/details").mkdir(parents=True, exist_ok=True)
    Path("metrics/details/drift.json").write_text(json.dumps(found))


def calls(gh: Path) -> list[list[str]]:
    return [json.loads(line) for line in gh.read_text().splitlines()]


def test_an_alarm_opens_an_issue_that_says_what_and_how(
    gh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts(drifted=True)
    monkeypatch.setenv("RUN_URL", "https://example.org/run/1")
    assert run_stage("reports.drift_issue") == 0
    *_, last = calls(gh)
    assert last[:4] == ["issue", "create", "--label", "drift"]
    assert last[last.index("--title") + 1] == "Drift: brightness"
    text = last[-1]
    span = "from 2026-11-23T00:00:00.000+00:00 to 2026-11-24T12:00:00.000+00:00"
    for part in ("10,000 images of 12,000 rows", span, "385", "5%", "3 torn lines", "/run/1"):
        assert part in text
    assert "**`brightness`**" in text
    assert capsys.readouterr().out == "alarm=true\n"


def test_a_second_alarm_rewrites_the_open_issue(gh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts(drifted=True)
    monkeypatch.setenv("OPEN", "17")
    assert run_stage("reports.drift_issue") == 0
    assert calls(gh)[-1][:3] == ["issue", "edit", "17"]
    assert not any(call[:2] == ["issue", "create"] for call in calls(gh))


def test_without_an_alarm_nobody_is_told(gh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdicts(drifted=False)
    assert run_stage("reports.drift_issue") == 0
    assert not gh.exists()
    assert capsys.readouterr().out == "alarm=false\n"


def test_what_github_refuses_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verdicts(drifted=True)
    monkeypatch.setenv("BROKEN", "label")
    assert run_stage("reports.drift_issue") == 2
    assert "error: gh label create: HTTP 401: Bad credentials" in capsys.readouterr().err
