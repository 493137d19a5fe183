"""What can be known of the images without building them; `test_container.py` builds one."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.live import serve
from tests.kit.stage import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
TARGETS = ("pipeline", "server", "server-cpu")


def stage(name: str) -> list[str]:
    """Return the instructions of a stage and of those that it is built on."""
    [(base, body)] = re.findall(
        rf"^FROM (\S+) AS {name}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL
    )
    own = [line for line in body.splitlines() if line and not line.startswith("#")]
    return own if base == "${BASE_IMAGE}" else [*stage(base), *own]


def test_the_base_is_pinned_by_digest() -> None:
    [base] = re.findall(r"^ARG BASE_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_nobody_and_passes_signals_on(target: str) -> None:
    lines = stage(target)
    users = [line for line in lines if line.startswith("USER ")]
    assert users[-1] == "USER 10001:10001"
    [*_, command] = [line for line in lines if line.startswith("CMD ")]
    assert json.loads(command.removeprefix("CMD "))[0] in {"python", "dvc"}


@pytest.mark.parametrize("target", ["server", "server-cpu"])
def test_a_server_has_a_health_check_and_its_revision(target: str) -> None:
    lines = stage(target)
    [check] = [line for line in lines if line.startswith("HEALTHCHECK ")]
    assert json.loads(check.split(" CMD ")[1]) == ["python", "-m", "server.probe"]
    assert "ENV SERVER_REVISION=${SERVER_REVISION}" in lines
    labels = " ".join(line for line in lines if line.startswith("LABEL "))
    for label in ("title", "description", "licenses", "revision"):
        assert f"org.opencontainers.image.{label}=" in labels


def test_a_user_without_an_entry_has_a_home_and_a_name() -> None:
    [environment] = [line for line in stage("pipeline") if line.startswith("ENV ")]
    assert "HOME=/tmp" in environment
    assert "USER=" in environment  # or DVC asks for the entry, and fails


def test_a_server_is_installed_from_the_lock_of_its_name() -> None:
    for target in ("server", "server-cpu"):
        [run] = [line for line in stage(f"{target}-packages") if line.startswith("RUN ")]
        assert f"for extra in {target} $EXTRAS" in run
        assert "--no-deps --require-hashes" in run


@pytest.mark.parametrize("target", [*TARGETS, "server-packages", "server-cpu-packages"])
def test_what_is_copied_is_there_and_not_ignored(target: str) -> None:
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [line.split() for line in stage(target) if line.startswith("COPY ")]
    sources = [
        word for line in copied if "--from=" not in line[1] for word in line[1:-1] if word[0] != "-"
    ]
    assert sources
    for source in set(sources) - {"."}:
        assert list(ROOT.glob(source))
        folder = source.split("/")[0]
        assert any(line.startswith(f"!{folder}") for line in allowed), source


def test_nothing_enters_an_image_but_what_is_named() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] != "#"]
    assert rules[0] == "*"
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for rule in rules[1:]:
        if rule.startswith("!") and not rule.startswith("!data/model/"):
            assert any(path.startswith(rule[1:]) for path in tracked), f"{rule}: not there"
    assert not {"!data", "!.dvc", "!.git", "!.", "!*"} & set(rules)


def test_hadolint_and_the_editor_agree_with_it() -> None:
    subprocess.run([Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"], check=True)
    lines = (ROOT / ".devcontainer/devcontainer.json").read_text().splitlines()
    about = json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//")))
    assert about["build"]["target"] in TARGETS
    assert (ROOT / ".devcontainer" / about["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile"


def probe(port: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server.probe"],
        env={"PYTHONPATH": str(ROOT), "SERVER_PORT": port},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_health_check_follows_readiness(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, model, DRAIN="10") as live:
        port = live.url.rsplit(":", 1)[1]
        ready = probe(port)
        assert (ready.returncode, json.loads(ready.stdout)) == (0, {"status": "ready"})
        live.process.terminate()
        while live.client.get("/health/ready").status_code == 200:
            pass
        draining = probe(port)
        assert draining.returncode == 1
        assert "shutting down" in draining.stdout
        live.process.terminate()  # the second ends it at once
        live.process.wait(20)
        gone = probe(port)
        assert gone.returncode == 1
        assert f"nobody answers on port {port}" in gone.stdout
