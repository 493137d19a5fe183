"""`python -m server.monitoring.report` as the server calls it."""

import os
import subprocess
import sys
from pathlib import Path

import orjson

from server.drift.rows import CLASS, NUMBERS
from server.monitoring.report import Job
from server.monitoring.routes import SCRIPT
from tests.kit.stage import ROOT

NOISE = """import os, sys

def speak(event, arguments):
    if event == "import" and arguments[0] == "evidently":
        os.write(1, b"noise")

sys.addaudithook(speak)
"""


def test_what_libraries_print_is_no_part_of_the_answer(model: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NOISE)
    reference = model.parent / "reference.parquet"
    job = Job(reference=str(reference), log="", images=50, rate=0.1, model="m", classes=["a"])
    row = dict.fromkeys(NUMBERS, 0.5) | {CLASS: "a", "model": "m"}
    made = subprocess.run(
        [sys.executable, "-m", SCRIPT],
        input=b"\n".join([orjson.dumps(job), *[orjson.dumps(row)] * 20]),
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr.decode()
    verdicts, page = made.stdout.split(b"\n", 1)
    assert orjson.loads(verdicts)["judged_rows"] > 0
    assert page.lstrip().startswith(b"<!DOCTYPE html>")
    assert b"noise" in made.stderr
