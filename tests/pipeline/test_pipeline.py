"""The whole product, as its user meets it: `dvc repro` in a clone, then a photograph posted."""

import contextlib
import csv
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pyarrow.parquet as pq
import pytest
import yaml

from stages.reports.revision import flat
from tests.kit.clone import ENVIRONMENT, call, git, run_in_a_clone
from tests.kit.drawing import draw_folder


@pytest.fixture(scope="module")
def clones(finished: Path, origin: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two clones in which the pipeline has run from nothing; the first as others have left it."""
    first, second = (tmp_path_factory.mktemp("clone") / name for name in ("first", "second"))
    shutil.copytree(finished, first, symlinks=True)
    return [first, run_in_a_clone(origin, second)]


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run the server of a folder on a free port and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "server"], cwd=folder, env={**ENVIRONMENT, "SERVER_PORT": str(port)}
    )
    try:
        for _ in range(300):
            assert process.poll() is None, "the server stopped"
            with contextlib.suppress(httpx2.ConnectError):
                httpx2.get(f"{address}/health")
                break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_two_clones_give_the_same_bytes_for_every_output(clones: list[Path]) -> None:
    first, second = (yaml.safe_load((folder / "dvc.lock").read_text()) for folder in clones)
    outputs = {
        out["path"]: out["md5"] for stage in first["stages"].values() for out in stage["outs"]
    }
    assert len(outputs) == 24
    assert first == second


DRIFT = ("Brightness of what the model sees", "What the model predicts")


def test_a_second_repro_does_nothing(clones: list[Path]) -> None:
    before = (clones[0] / "dvc.lock").read_bytes()
    said = call(clones[0], "dvc", "repro")
    assert "Running stage" not in said
    assert "up to date" in said
    assert (clones[0] / "dvc.lock").read_bytes() == before


def test_the_lock_is_behind_when_code_or_a_parameter_changed(clones: list[Path]) -> None:
    folder = clones[1]
    check = ["make", "--no-print-directory", "-o", ".venv/.installed", "check-lock"]
    assert call(folder, *check) == ""
    for name, old, new in (
        ("stages/answers/scores.py", '"""Classification', '"""All classification'),
        ("params.yaml", "epochs: 3", "epochs: 4"),
    ):
        file = folder / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))
        said = subprocess.run(
            check, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        assert said.returncode != 0
        assert "dvc.lock is behind" in said.stderr.splitlines()[0]
        assert "run `dvc repro` and commit" in said.stderr.splitlines()[0]
        file.write_text(text)
    assert call(folder, *check) == ""


def test_small_results_are_in_git_and_diffs_need_no_data(clones: list[Path]) -> None:
    folder = clones[0]
    untracked = git(folder, "ls-files", "-o", "--exclude-standard").split()
    assert {path.split("/")[0] for path in untracked} <= {"metrics", "plots", "dvc.lock"}
    assert git(folder, "status", "--porcelain", "--", "data") == ""
    scores = json.loads(call(folder, "dvc", "metrics", "show", "--json"))[""]["data"]
    assert {file.removeprefix("metrics/") for file in scores} == {
        f"{stage}.json" for stage in ("prepare", "train", "export", "evaluate", "drift")
    }
    for file in scores:  # `dvc exp show` has a column for each
        assert 4 <= len(flat(scores[file]["data"])) <= 10, file
    page = call(folder, "dvc", "plots", "show", "-o", "plots-page")
    html = Path(page.strip().splitlines()[-1].removeprefix("file://")).read_text()
    for title in (
        "Images of each class",
        "Loss",
        "Confusion matrix on test",
        "Worst five classes",
        "Accuracy on worse",
        *DRIFT,
    ):
        assert title in html


def test_own_images_need_the_two_commands_of_the_readme(clones: list[Path]) -> None:
    folder = clones[1]
    draw_folder(folder / "data/cars", per_class=12)
    call(folder, "dvc", "add", "data/cars")
    words = ("-S", "prepare.source=data/cars", "prepare")
    call(folder, "dvc", "exp", "run", "--temp", *words)  # a copy has them too, with no `git add`
    call(folder, "dvc", "exp", "run", *words)
    assert (folder / "data/cars/disc").is_dir()
    counts = json.loads((folder / "metrics/prepare.json").read_text())
    assert counts["used"] == 36


def test_a_photograph_posted_to_the_server_is_answered_as_it_was_evaluated(
    clones: list[Path],
) -> None:
    folder = clones[0]
    with (folder / "plots/evaluate/predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    samples = pq.read_table(folder / "data/prepared/samples.parquet").to_pylist()
    path = {sample["image_sha256"]: sample["path"] for sample in samples}
    with serving(folder) as address:
        health = httpx2.get(f"{address}/health").json()
        assert health["provider"].endswith("ExecutionProvider")
        for row in rows[::5]:
            photograph = (folder / "data/shapes" / path[row["image_sha256"]]).read_bytes()
            answer = httpx2.post(f"{address}/predict", files={"image": photograph}).json()
            assert answer["class"] == row["predicted"]
            for name, probability in answer["probabilities"].items():
                assert probability == pytest.approx(float(row[f"probability_{name}"]), abs=1e-4)


def test_what_the_server_logged_is_judged_by_the_commands_of_the_readme(clones: list[Path]) -> None:
    folder = clones[0]
    with serving(folder) as address:
        for file in sorted((folder / "data/shapes/disc").iterdir())[:12]:
            httpx2.post(f"{address}/predict", content=file.read_bytes()).raise_for_status()
    call(folder, "make", "-o", ".venv/.installed", "snapshot-log")
    judge = ("dvc", "exp", "run", "--single-item", "-S", "drift.current=data/current")
    call(folder, *judge, "drift")
    verdicts = json.loads((folder / "metrics/details/drift.json").read_text())
    assert sum(verdicts["models"].values()) >= 12
    assert verdicts["columns"]["class"]["test"] == "jensenshannon"
    # the two ways to fail: the exit code tells DVC, and the verdicts are there all the same
    (folder / "metrics/details/drift.json").unlink()
    night = b"".join(
        json.dumps({**row, "brightness": 0.9}).encode() + b"\n"
        for row in map(
            json.loads, (folder / "data/current/predictions.jsonl").read_text().splitlines()
        )
    )
    (folder / "data/current/predictions.jsonl").write_bytes(night)
    failed = subprocess.run(
        [*judge, "-S", "drift.on_drift=fail", "drift"],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert failed.returncode != 0
    assert "drift.on_drift=fail" in failed.stderr
    verdicts = json.loads((folder / "metrics/details/drift.json").read_text())
    assert verdicts["columns"]["brightness"]["drifted"]
