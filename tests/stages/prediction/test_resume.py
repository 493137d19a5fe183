"""A run that is killed goes on where it was, and the end is the same bytes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from server.model.classifier import Classifier
from stages.prediction.parts import PART
from tests.kit.artefact import coloured, write_colour_artefact
from tests.kit.stage import ROOT

COUNT = 3 * PART + 17
LIST = b"".join(b"photos/%05d\n" % number for number in reversed(range(COUNT)))
OUTPUTS = {"photos": "of-folder.parquet", "-": "of-list.parquet"}
GOES_ON = f"of {COUNT:,} files are done; going on"


def command(source: str, *words: object) -> list[str]:
    options = ("--model", "model.onnx", "--output", OUTPUTS[source])
    return [sys.executable, "-m", "stages.predict", source, *map(str, words), *options]


def finish(source: str, *words: object, names: bytes = b"") -> str:
    """Run it to its end; return what it says."""
    done = subprocess.run(command(source, *words), input=names, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


@contextmanager
def running(source: str, names: bytes = b"") -> Iterator[subprocess.Popen[bytes]]:
    """Run it, and yield it once a part is there; afterwards nothing of it is left, no output."""
    Path("list").write_bytes(names)
    with Path("list").open("rb") as stdin:
        process = subprocess.Popen(
            command(source), stdin=stdin, stderr=subprocess.PIPE, start_new_session=True
        )
    with process:
        while not any(Path(f".{OUTPUTS[source]}.parts").glob("0*.parquet")):
            assert process.poll() is None
            time.sleep(0.005)
        children = psutil.Process(process.pid).children(recursive=True)
        yield process
    assert not psutil.wait_procs(children, 10)[1], "processes are left behind"
    assert not Path(OUTPUTS[source]).exists()


@pytest.fixture(scope="module", autouse=True)
def code() -> Iterator[None]:
    """Let processes find it from any folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        yield


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which two runs were killed: of a folder of photographs, and of a list of them."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "files").mkdir()
    for name in ("red", "lime", "blue"):
        coloured(name).save(folder / f"files/{name}.png")
    (folder / "files/text").write_text("no image")
    files = sorted((folder / "files").iterdir())
    (folder / "photos").mkdir()
    for number in range(COUNT):
        (folder / f"photos/{number:05}").hardlink_to(files[number % 4])
    write_colour_artefact(folder / "model.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for source in OUTPUTS:
            with running(source, LIST) as process:
                process.kill()
    return folder


@pytest.fixture(autouse=True)
def here(elsewhere: Path, killed: Path) -> None:
    """Its files as links in the current folder; whoever changes one takes it away first."""
    shutil.copytree(killed, elsewhere, copy_function=os.link, dirs_exist_ok=True)


def test_it_goes_on_and_comes_to_the_same_bytes() -> None:
    said = finish("photos")
    assert GOES_ON in said
    assert f"{COUNT:,} files: " in said
    assert not Path(".of-folder.parquet.parts").exists()
    gone_on = Path("of-folder.parquet").read_bytes()
    assert "going on" not in finish("photos")
    assert Path("of-folder.parquet").read_bytes() == gone_on


def test_ctrl_c_is_one_line_and_what_is_done_stays() -> None:
    shutil.rmtree(".of-folder.parquet.parts")
    with running("photos") as process:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        said = process.communicate(timeout=30)[1].decode()
    assert process.returncode == 130
    assert said == "error: stopped by Ctrl-C; run the same command again to go on\n"
    assert GOES_ON in finish("photos")


def test_a_list_from_stdin_is_kept_so_that_nobody_need_give_it_again() -> None:
    assert GOES_ON in finish("-")
    paths = pq.read_table("of-list.parquet")["path"].to_pylist()
    assert "\n".join(paths).encode() + b"\n" == LIST


def test_another_list_takes_the_place_of_the_kept_one() -> None:
    finish("-", names=b"photos/00001\n")
    assert pq.read_table("of-list.parquet")["path"].to_pylist() == ["photos/00001"]


@pytest.mark.parametrize("source", OUTPUTS)
def test_another_model_starts_anew_and_says_so(source: str) -> None:
    before = Classifier(Path("model.onnx")).name
    Path("model.onnx").unlink()
    after = Classifier(write_colour_artefact(Path("model.onnx"), abstain_threshold=0.5)).name
    said = finish(source)
    assert f"predict: model was {before}, is {after}: starting anew\n" in said
    assert "going on" not in said
    table = pq.read_table(OUTPUTS[source])
    assert len(table) == COUNT
    assert table.schema.metadata[b"model"].decode() == after


def test_other_options_start_anew_and_say_so() -> None:
    assert "predict: top was 5, is 1: starting anew" in finish("photos", "--top", 1)
    listed = pq.read_table("of-folder.parquet")["probabilities"].to_pylist()
    assert {len(one) for one in listed if one} == {1}


def test_files_that_changed_since_are_read_again() -> None:
    for name in ("00001", "99999"):
        Path(f"photos/{name}").unlink(missing_ok=True)
        coloured("blue").resize((50, 50)).save(f"photos/{name}", "PNG")
    finish("photos")
    answers = pq.read_table("of-folder.parquet").select(["path", "width"]).to_pylist()
    assert answers[1] == {"path": "00001", "width": 50}
    assert answers[-1] == {"path": "99999", "width": 50}


def test_two_runs_do_not_write_one_output() -> None:
    shutil.rmtree(".of-folder.parquet.parts")
    with running("photos") as process:
        process.send_signal(signal.SIGSTOP)
        second = subprocess.run(command("photos"), capture_output=True, check=False)
        process.kill()
    assert second.returncode == 2
    assert b"error: .of-folder.parquet.parts: another run is at it" in second.stderr


def test_a_process_that_is_ended_from_outside_is_one_line() -> None:
    shutil.rmtree(".of-folder.parquet.parts")
    with running("photos") as process:
        children = psutil.Process(process.pid).children()
        next(one for one in children if "spawn_main" in " ".join(one.cmdline())).kill()
        said = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 2
    assert said.count("\n") == 1
    assert "ended from outside" in said
