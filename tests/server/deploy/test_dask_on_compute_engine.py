"""The cluster on Compute Engine: what Google would run runs here, with real certificates."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.stage import ROOT

SCRIPT = ROOT / "server/deploy/dask-on-compute-engine.sh"
GCLOUD = """
# It runs the script of each machine, and a worker's when there is a group of them.
import os, re, subprocess, sys
from pathlib import Path
here, words = Path(os.environ["HERE"]), sys.argv[1:]
with (here / "asked").open("a") as asked:
    print(*words, file=asked)
if "--data-file" in words:
    (here / "secret").write_bytes(Path(words[words.index("--data-file") + 1]).read_bytes())
if words[2:3] == ["describe"]:
    print("127.0.0.1")
for word in words:
    if word.startswith("startup-script="):
        text = Path(word.removeprefix("startup-script=")).read_text()
        (here / words[1]).write_text(text.replace("/run/dask", f"{here}/machine"))
begun = {"instances create": "instances", "instance-groups managed create": "instance-templates"}
for what, name in begun.items():
    if " ".join(words).startswith(f"compute {what}"):
        subprocess.run(["bash", here / name], check=True)
"""
CURL = """
# The metadata server, and Secret Manager.
import base64, os, sys
from pathlib import Path
if sys.argv[-1].startswith("http://metadata.google.internal/"):
    print('{"access_token":"t0k.en","expires_in":3599,"token_type":"Bearer"}')
else:
    assert "Authorization: Bearer t0k.en" in sys.argv
    secret = base64.b64encode((Path(os.environ["HERE"]) / "secret").read_bytes()).decode()
    print('{\\n  "payload": {\\n    "data": "%s"\\n  }\\n}' % secret)
"""
DOCKER = """
# A container: its environment and its command, in the repository, with what is mounted.
import os, subprocess, sys
from pathlib import Path
words, here = sys.argv[1:], Path(os.environ["HERE"])
source, target, _ = words[words.index("-v") + 1].split(":")
sets = dict(w.split("=", 1) for o, w in zip(words, words[1:]) if o == "-e")
clean = {k: v for k, v in os.environ.items() if not k.startswith(("DASK", "PYTHONPATH"))}
process = subprocess.Popen(
    words[words.index(os.environ["IMAGE"]) + 1 :], cwd=os.environ["CODE"], start_new_session=True,
    env=clean | {k: v.replace(target, source) for k, v in sets.items()},
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
with (here / "pids").open("a") as pids:
    print(process.pid, file=pids)
"""
PROGRAM = """
from stages.sources.cluster import in_cluster
from stages.sources.contents import in_chunks
print("answers:", list(in_cluster(divmod, [(7, 2), (9, 4)])))
"""
WANTED = {
    "PROJECT": "p",
    "ZONE": "z",
    "IMAGE": "r.example/p/x/pipeline:1",
    "WORKERS": "1",
    "SERVICE_ACCOUNT": "dask@p.example",
    "MACHINE": f"c2-standard-{os.cpu_count()}",
}


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with stand-ins for Google's programs, and what they noted."""
    programs = {"gcloud": GCLOUD, "curl": CURL, "docker": DOCKER}
    for name in ("iptables", "chown", "docker-credential-gcr"):
        programs[name] = ""
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!{sys.executable}{text or chr(10)}")
        program.chmod(0o755)
    (tmp_path / "asked").touch()
    python = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{python}:{os.environ['PATH']}")
    monkeypatch.setenv("HERE", str(tmp_path))
    monkeypatch.setenv("CODE", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield tmp_path
    if (tmp_path / "pids").exists():
        for pid in (tmp_path / "pids").read_text().split():
            os.killpg(int(pid), signal.SIGKILL)


def script(*words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *words],
        cwd=ROOT,
        env={**os.environ, **WANTED, **changes},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def kinds(lines: str, action: str) -> list[str]:
    return [line.split(f" {action} ")[0] for line in lines.splitlines() if f" {action} " in line]


MADE = ["secrets", "compute firewall-rules", "compute instances", "compute instance-templates"]
MADE.append("compute instance-groups managed")


@pytest.mark.slow
def test_its_scheduler_and_workers_do_the_work_with_its_certificate_alone(cloud: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    done = script("python", "-c", PROGRAM, PORT=port)
    assert done.returncode == 0, done.stderr
    assert "answers: [(3, 1), (2, 1)]" in done.stdout
    asked = (cloud / "asked").read_text()
    assert kinds(asked, "create") == MADE
    assert sorted(kinds(asked, "delete")) == sorted(MADE)
    assert not list(cloud.glob("tmp.*")), "the certificate"


def test_a_dry_run_of_the_cluster_asks_nobody(cloud: Path) -> None:
    done = script("--dry-run", "dvc", "repro")
    assert done.returncode == 0, done.stderr
    said = done.stdout.replace("gcloud ", "")
    assert kinds(said, "create") == MADE
    assert said.index("dvc repro") < said.index("managed delete")
    assert said.count("REQUIRE_ENCRYPTION=true") == 2
    assert not (cloud / "asked").read_text()
    inside = "\n".join(re.findall(r"^    (?! )(.*(?:\\\n.*)*)", done.stdout, re.MULTILINE))
    (cloud / "inside.sh").write_text(f"#!/bin/bash\n{inside}\n")
    checked = subprocess.run(
        ["shellcheck", cloud / "inside.sh"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_a_cluster_is_deleted_when_its_command_fails(cloud: Path) -> None:
    (cloud / "bin/python").write_text("#!/bin/sh\nexit 0\n")  # nobody to wait for
    (cloud / "bin/python").chmod(0o755)
    (cloud / "bin/docker").write_text("#!/bin/sh\n")
    assert script("false").returncode == 1
    assert sorted(kinds((cloud / "asked").read_text(), "delete")) == sorted(MADE)


@pytest.mark.parametrize("missing", ["IMAGE", "WORKERS", "SERVICE_ACCOUNT"])
def test_what_a_cluster_needs_is_named(cloud: Path, missing: str) -> None:
    done = script("dvc", "repro", **{missing: ""})
    assert (done.returncode, f"error: {missing} is not set" in done.stderr) == (2, True)
    assert not (cloud / "asked").read_text()


def test_a_cluster_for_no_command_is_not_made(cloud: Path) -> None:
    done = script()
    assert (done.returncode, "error: no command" in done.stderr) == (2, True)
