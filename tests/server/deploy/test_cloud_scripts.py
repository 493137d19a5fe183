"""The scripts for Google Cloud, with a stand-in for gcloud, and servers of this machine."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.kit.live import serve
from tests.kit.stage import ROOT

DEPLOY = ROOT / "server/deploy"
STAND_IN = """#!/usr/bin/env python3
# gcloud, as far as the scripts use it: it notes what it is asked, and answers from state.json.
import json, os, sys
with open(os.environ["ASKED"], "a") as asked:
    print(*sys.argv[1:], file=asked)
words = sys.argv[1:]
if words[:3] == ["run", "services", "describe"]:
    print(open(os.environ["STATE"]).read())
if words[:2] == ["compute", "ssh"] and "nvidia-smi" not in words:
    sys.stdin.read()
    sys.exit(int(os.environ["TRAINED"]))
if words[:3] == ["compute", "instances", "describe"]:
    sys.exit(int(os.environ["GONE"]))
"""


@pytest.fixture
def gcloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose `asked` has what the scripts asked Google."""
    program = tmp_path / "bin/gcloud"
    program.parent.mkdir()
    program.write_text(STAND_IN)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    monkeypatch.setenv("STATE", str(tmp_path / "state.json"))
    return tmp_path


def script(path: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [path, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def promote(folder: Path, service: str, candidate: str) -> subprocess.CompletedProcess[str]:
    traffic = [
        {"revisionName": "old", "percent": 100},
        {"revisionName": "new", "tag": "candidate", "url": candidate},
    ]
    (folder / "state.json").write_text(json.dumps({"status": {"url": service, "traffic": traffic}}))
    settings = {"SERVICE": "cars", "REGION": "r", "TOKEN": "", "TRIES": "2"}
    return script(DEPLOY / "promote.sh", "CPUExecutionProvider", **settings)


def moved(folder: Path) -> list[str]:
    return re.findall(r"--to-revisions (\S+)", (folder / "asked").read_text())


def test_a_revision_that_answers_gets_the_traffic(gcloud: Path, model: Path) -> None:
    with serve(gcloud / "live", model) as live:
        done = promote(gcloud, live.url, live.url)
    assert done.returncode == 0, done.stderr
    assert moved(gcloud) == ["new=100"]


def test_a_revision_that_does_not_answer_gets_none(gcloud: Path, model: Path) -> None:
    with serve(gcloud / "live", model) as live:
        done = promote(gcloud, live.url, "http://127.0.0.1:9")
    assert done.returncode != 0
    assert "http://127.0.0.1:9: not ready" in done.stderr
    assert moved(gcloud) == []


def test_a_revision_that_fails_with_traffic_loses_it(gcloud: Path, model: Path) -> None:
    with serve(gcloud / "live", model) as live:
        done = promote(gcloud, "http://127.0.0.1:9", live.url)
    assert done.returncode != 0
    assert moved(gcloud) == ["new=100", "old=100"]


def test_the_smoke_test_wants_the_provider_that_is_required(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path / "live", model) as live:
        done = script(DEPLOY / "smoke-test.sh", live.url, "CUDAExecutionProvider")
    assert done.returncode == 1
    assert "runs on CPUExecutionProvider, not on CUDAExecutionProvider" in done.stderr


TRAIN = ROOT / "server/deploy/train-on-compute-engine.sh"
WANTED = {
    "PROJECT": "p",
    "ZONE": "z",
    "IMAGE": "r.example/p/x/pipeline:1",
    "REPOSITORY": "https://git.example/cars.git",
    "REVISION": "main",
    "BUCKET": "b",
    "PAUSE": "0",
    "ATTEMPTS": "2",
}


def test_a_dry_run_prints_the_steps_and_asks_nobody(gcloud: Path) -> None:
    done = script(TRAIN, "--dry-run", "-S", "train.epochs=30", **WANTED)
    assert done.returncode == 0, done.stderr
    steps = ["instances create", "nvidia-smi", "docker run", "git clone", "dvc pull"]
    steps += ["dvc exp run -S train.epochs=30", "dvc push", "dvc exp push", "instances delete"]
    places = [done.stdout.index(step) for step in steps]
    assert places == sorted(places)
    assert "TRAIN_CHECKPOINT_DIR=/checkpoints" in done.stdout
    assert not (gcloud / "asked").exists()


def test_a_variable_that_is_missing_is_named(gcloud: Path) -> None:
    done = script(TRAIN, "--dry-run", **{**WANTED, "BUCKET": ""})
    assert done.returncode == 2
    assert "error: BUCKET is not set" in done.stderr


@pytest.mark.parametrize(
    ("trained", "gone", "code", "machines"), [("0", "1", 0, 1), ("1", "0", 1, 1), ("1", "1", 1, 2)]
)
def test_the_machine_is_deleted_whatever_happens(
    gcloud: Path, trained: str, gone: str, code: int, machines: int
) -> None:
    done = script(TRAIN, **WANTED, TRAINED=trained, GONE=gone)
    assert done.returncode == code, done.stderr
    asked = (gcloud / "asked").read_text()
    assert asked.count("instances create") == machines
    assert "instances delete" in asked.splitlines()[-1]
