"""The workflows are valid, pinned and modest; the experiment's shell steps run as they stand."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.clone import ENVIRONMENT, call, git
from tests.kit.stage import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
FILES = [(path, "vendor.github-workflows") for path in WORKFLOWS]
FILES.append((ROOT / ".github/dependabot.yml", "vendor.dependabot"))
# nothing of our own: the command that posts a comment, here a script that keeps what it is told
GH = '#!/bin/sh\nprintf "%s\\n" "$@" > "$SAID"\n'


def steps(path: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(path.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize(("path", "schema"), FILES, ids=[path.name for path, _ in FILES])
def test_a_workflow_fits_its_schema(path: Path, schema: str) -> None:
    call(ROOT, "check-jsonschema", "--builtin-schema", schema, str(path))


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.name for path in WORKFLOWS])
def test_a_workflow_is_pinned_modest_and_takes_no_text_from_strangers(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for step in steps(path):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step.get("uses", "a@" + 40 * "0"))
        assert "${{" not in step.get("run", ""), step  # it would be pasted into the shell
        if "actions/checkout" in step.get("uses", "") and "contents: write" not in path.read_text():
            assert step["with"]["persist-credentials"] is False


def test_the_experiment_runs_make_targets_and_comments_once() -> None:
    path = ROOT / ".github/workflows/experiment.yaml"
    ran = [step["run"] for step in steps(path) if "run" in step]
    assert all(run.startswith(("make ", "cat ", "gh pr comment ")) for run in ran)
    targets = set(re.findall(r"^make ([a-z-]+)", "\n".join(ran), re.MULTILINE))
    assert targets == {"install", "experiment", "push", "report"}
    secret = [step for step in steps(path) if "gh pr" in step.get("run", "")]
    assert [step["if"] for step in secret] == ["env.OURS == 'true'"]


@pytest.mark.parametrize(
    "ours", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["ours", "a fork's"]
)
def test_the_steps_of_the_experiment_run_on_a_changed_branch(
    finished: Path, tmp_path: Path, ours: bool
) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "clone", symlinks=True))
    git(folder, "add", "-A", "metrics", "plots", "dvc.lock")
    git(folder, "commit", "-qm", "base")
    branch = "base;touch$IFS.pwned"  # git allows it
    git(folder, "branch", branch)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("rate: 0.05", "rate: 0.2"))
    git(folder, "commit", "-qam", "change")
    if ours:
        call(folder, "dvc", "remote", "add", "-d", "store", str(tmp_path / "store"))
    (folder / ".venv/.installed").touch()  # what `make install` would do is done
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gh").write_text(GH)
    (tmp_path / "bin/gh").chmod(0o755)
    environment = {
        **ENVIRONMENT,
        "PATH": f"{tmp_path / 'bin'}:{ENVIRONMENT['PATH']}",
        "BASE": branch,
        "NUMBER": "7",
        "SAID": str(tmp_path / "said"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    for step in steps(ROOT / ".github/workflows/experiment.yaml"):
        if "run" in step and (ours or "if" not in step):
            done = subprocess.run(
                ["bash", "-e", "-c", step["run"]],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, (step, done.stdout, done.stderr)
    report = (folder / "data/reports/pull-request/report.md").read_text()
    assert report.startswith("**No parameter, code or data changed that the answers depend on.**")
    assert f"`{branch} (" in report
    assert not (folder / ".pwned").exists()
    assert "| `drift.false_alarm_rate` | 0.05 | 0.2 |" in report
    assert (tmp_path / "summary.md").read_text() == report
    assert (tmp_path / "said").exists() == ours
    if ours:
        said = (tmp_path / "said").read_text().split("\n")
        assert said[:5] == ["pr", "comment", "7", "--edit-last", "--create-if-none"]
        assert (folder / said[6]).read_text() == report
        assert "Cache and remote 'store' are in sync" in call(folder, "dvc", "status", "-c")
