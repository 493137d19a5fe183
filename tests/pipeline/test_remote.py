"""A bucket as DVC's remote: the commands of server/deploy/README.md, against an emulator."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from server.model.classifier import Classifier
from tests.kit import clone
from tests.kit.bucket import BUCKET, Emulator, answering, emulate
from tests.kit.clone import add_page, call, git
from tests.kit.drawing import draw_folder
from tests.kit.live import serve
from tests.server.storage.test_google_cloud import ANONYMOUS
from tests.stages.test_drift import log_of


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulate() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", running.url)
        patch.setitem(clone.ENVIRONMENT, "STORAGE_EMULATOR_HOST", running.url)
        yield running


@pytest.fixture(scope="module")
def pushed(emulator: Emulator, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository in which the pipeline has run, its data pushed to the bucket."""
    folder = tmp_path_factory.mktemp("pushed") / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    call(folder, "dvc", "remote", "add", "-d", "storage", f"gs://{BUCKET}/cars")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "a result")
    call(folder, "dvc", "push")
    return folder


def checkout(pushed: Path, folder: Path) -> Path:
    git(pushed, "clone", "-q", str(pushed), str(folder))
    return folder


def outputs(folder: Path) -> dict[str, str]:
    """Return the hash of each file that the lock names."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text())
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


def test_a_fresh_clone_pulls_what_was_pushed(pushed: Path, tmp_path: Path) -> None:
    folder = checkout(pushed, tmp_path / "clone")
    assert not (folder / "data/model").exists()
    call(folder, "dvc", "pull")
    name = Path("data/model/model.onnx")
    assert (folder / name).read_bytes() == (pushed / name).read_bytes()
    assert "up to date" in call(folder, "dvc", "status")
    assert "in sync" in call(folder, "dvc", "status", "-c")
    draw_folder(folder / "data/more", per_class=1)
    call(folder, "dvc", "add", "-q", "data/more")
    assert "new:" in call(folder, "dvc", "status", "-c", "data/more.dvc")


def test_a_cold_repro_with_pull_trains_nothing(pushed: Path, tmp_path: Path) -> None:
    folder = checkout(pushed, tmp_path / "clone")
    said = call(folder, "dvc", "repro", "--pull")
    assert "Running stage" not in said
    assert outputs(folder) == outputs(pushed)
    assert git(folder, "status", "--porcelain") == ""
    assert (folder / "data/model/model.onnx").is_file()


def test_a_source_in_the_bucket_reruns_when_it_changes_and_is_not_copied(
    origin: Path, emulator: Emulator, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(origin, folder, symlinks=True)
    images = {file: file.read_bytes() for file in (folder / "data/shapes").rglob("*.*")}
    for file, data in images.items():
        emulator.upload(f"{file.relative_to(folder / 'data')}", data)
    cached = {file.name for file in (folder / ".dvc/cache").rglob("*")}
    source = f"prepare.source=gs://{BUCKET}/shapes"
    call(folder, "dvc", "exp", "run", "-S", source, "prepare")
    assert "up to date" in call(folder, "dvc", "status", "prepare")
    made = {file for file in (folder / ".dvc/cache").rglob("*") if file.name not in cached}
    assert made
    assert not {file.read_bytes() for file in made if file.is_file()} & {*images.values()}
    emulator.upload("shapes/disc/disc-000.jpg", images[max(images)])
    assert f"modified:           gs://{BUCKET}/shapes" in call(folder, "dvc", "status", "prepare")
    done = call(folder, "dvc", "repro", "prepare")
    assert "Running stage 'prepare'" in done
    assert "up to date" in call(folder, "dvc", "status", "prepare")


def test_the_server_starts_from_the_object_that_dvc_pushed(
    pushed: Path, emulator: Emulator, tmp_path: Path
) -> None:
    show = ("dvc", "get", "--show-url", ".", "data/model/model.onnx")
    address = call(pushed, *show).splitlines()[-1]
    assert address.startswith(f"gs://{BUCKET}/cars/files/md5/")
    digest = hashlib.sha256((pushed / "data/model/model.onnx").read_bytes()).hexdigest()
    with serve(tmp_path / "live", Path("unused"), MODEL=address, MODEL_SHA256=digest) as live:
        assert live.client.get("/health/ready").status_code == 200


def test_a_registered_version_is_got_by_its_name_and_served(pushed: Path, tmp_path: Path) -> None:
    folder = checkout(pushed, tmp_path / "clone")
    call(folder, "git", "config", "user.name", "test")
    call(folder, "git", "config", "user.email", "test@localhost")
    call(folder, "gto", "register", "classifier", "--version", "v1.0.0")
    call(folder, "gto", "assign", "classifier", "--version", "v1.0.0", "--stage", "production")
    shown = json.loads(call(folder, "gto", "show", "--json"))
    assert shown["classifier"]["version"] == "v1.0.0"
    lock = folder / "dvc.lock"  # a later commit has another model, which nobody has pushed
    lock.write_text(lock.read_text().replace(outputs(folder)["data/model/model.onnx"], "0" * 32))
    git(folder, "commit", "-qam", "another")
    get = ("dvc", "artifacts", "get", str(folder), "classifier", "--out", "model.onnx")
    name = Path("data/model/model.onnx")
    for which in (("--rev", "v1.0.0"), ("--stage", "production")):
        call(tmp_path, *get, *which, "--force")
        assert (tmp_path / "model.onnx").read_bytes() == (pushed / name).read_bytes()
    show = ("dvc", "artifacts", "get", "--show-url", ".", "classifier", "--rev", "v1.0.0")
    address = call(folder, *show).splitlines()[-1]
    picture = next((pushed / "data/shapes").rglob("*.png"))
    for where, model in enumerate((str(tmp_path / "model.onnx"), address)):
        with serve(tmp_path / f"live-{where}", Path("unused"), MODEL=model) as live:
            files = {"image": picture.read_bytes()}
            assert live.client.post("/predict", files=files).json()["class"]


def test_raw_images_of_a_bucket_are_imported_and_updated(
    pushed: Path, emulator: Emulator, tmp_path: Path
) -> None:
    source = draw_folder(tmp_path / "source", per_class=8)
    for file in sorted(source.rglob("*.*")):
        emulator.upload(f"raw/{file.relative_to(source)}", file.read_bytes())
    folder = checkout(pushed, tmp_path / "clone")
    call(folder, "dvc", "import-url", f"gs://{BUCKET}/raw", "data/cars")
    assert f"gs://{BUCKET}/raw" in (folder / "data/cars.dvc").read_text()
    for file in source.rglob("*.*"):
        assert (folder / "data/cars" / file.relative_to(source)).read_bytes() == file.read_bytes()
    call(folder, "dvc", "exp", "run", "-S", "prepare.source=data/cars", "prepare")
    assert json.loads((folder / "metrics/prepare.json").read_text())["used"] == 24
    emulator.upload("raw/disc/late.jpg", (source / "disc/disc-000.jpg").read_bytes())
    call(folder, "dvc", "update", "data/cars.dvc")
    assert (folder / "data/cars/disc/late.jpg").is_file()


def test_a_log_in_the_bucket_is_judged_in_a_fresh_clone(
    pushed: Path, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pushed)  # its reference is what the rows are drawn from
    folder = checkout(pushed, tmp_path / "clone")
    add_page(folder)
    name = Classifier(pushed / "data/model/model.onnx").name
    log = (log_of(tmp_path / "log", rows=60, model=name) / "predictions.jsonl").read_bytes()
    half = log.index(b"\n", len(log) // 2) + 1
    for number, part in enumerate((log[:half], log[half:])):  # of two servers
        address = emulator.upload(f"log/2026-11-24-{number}.jsonl", part)
    where = address.rpartition("/")[0]
    call(folder, "make", "-o", ".venv/.installed", "judge-log", f"LOG_URL={where}")
    found = json.loads((folder / "metrics/details/drift.json").read_text())
    assert (found["current_rows"], found["judged_rows"]) == (60, 60)
    assert git(folder, "diff", "--name-only", "--", "params.yaml") == "params.yaml\n"


@pytest.mark.slow
def test_a_retraining_is_pushed_for_others_to_apply(pushed: Path, tmp_path: Path) -> None:
    folder = checkout(pushed, tmp_path / "clone")
    add_page(folder)
    asked = ("NAME=again", "SET=train.epochs=1 train.lr=0.02")
    call(folder, "make", "-o", ".venv/.installed", "retrain", *asked)
    assert "again" in call(pushed, "dvc", "exp", "list")
    other = checkout(pushed, tmp_path / "other")
    call(other, "dvc", "exp", "pull", "origin", "again")
    call(other, "dvc", "exp", "apply", "again")
    assert "epochs: 1\n" in (other / "params.yaml").read_text()
    model = Path("data/model/model.onnx")
    assert (other / model).read_bytes() == (folder / model).read_bytes()


def failing(folder: Path, *command: str) -> str:
    """Run a command, which must fail; return what it says."""
    with pytest.raises(AssertionError) as failed:
        call(folder, *command)
    return str(failed.value)


def test_a_bucket_that_is_not_there_is_named(pushed: Path, tmp_path: Path) -> None:
    folder = checkout(pushed, tmp_path / "clone")
    call(folder, "dvc", "remote", "modify", "storage", "url", "gs://nobody/cars")
    assert "b/nobody/o" in failing(folder, "dvc", "pull")
    assert "gs://nobody/raw" in failing(folder, "dvc", "import-url", "gs://nobody/raw", "data/raw")


def test_without_credentials_dvc_names_the_right_that_is_missing(
    pushed: Path, tmp_path: Path
) -> None:
    folder = checkout(pushed, tmp_path / "clone")
    with answering(401, json.dumps(ANONYMOUS).encode()) as url:
        call(folder, "dvc", "remote", "modify", "--local", "storage", "endpointurl", url)
        said = failing(folder, "dvc", "pull")
    assert "Anonymous caller does not have storage.objects" in said
