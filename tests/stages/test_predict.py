"""`python -m stages.predict SOURCE`: a row a file, whatever the files are."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from stages.cli.command import run
from server.image.features import FEATURES
from server.model.classifier import Classifier
from server.settings import Settings
from stages.predict import main
from stages.prediction.find import find_files
from tests.kit.artefact import COLOURS, coloured, write_colour_artefact, write_pixel_artefact
from tests.kit.drawing import draw_folder, encoded
from tests.kit.in_process import serving
from tests.kit.stage import ROOT

OUTPUT = Path("answers.parquet")


def predict(*words: object) -> int:
    """Run the script in this process and return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["predict", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            run(main)
    return int(stop.value.code or 0)


def of_list(names: bytes, *words: object) -> subprocess.CompletedProcess[bytes]:
    """Run it with a list on stdin, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "stages.predict", "-", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=names,
        capture_output=True,
        check=False,
    )


def rows(path: Path = OUTPUT) -> list[dict[str, Any]]:
    return list(pq.read_table(path).to_pylist())


def column(name: str, path: Path = OUTPUT) -> list[Any]:
    return [row[name] for row in rows(path)]


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A folder of three pictures, a text and a hidden file."""
    folder = tmp_path / "photos"
    (folder / "deep/er").mkdir(parents=True)
    coloured("red").save(folder / "a.png")
    coloured("lime").save(folder / "deep/b.jpg", quality=95)
    coloured("blue").save(folder / "deep/er/no suffix", "WEBP")
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden").write_bytes(b"x")
    return folder


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    return write_colour_artefact(tmp_path / "model.onnx")


def test_each_file_has_a_row_and_each_image_an_answer(colours: Path, artefact: Path) -> None:
    assert predict(colours, "--model", artefact, "--output", OUTPUT) == 0
    assert column("path") == [".hidden", "a.png", "deep/b.jpg", "deep/er/no suffix", "notes.txt"]
    assert column("class") == [None, *COLOURS, None]
    hidden, *answered, text = column("reason")
    assert (hidden, answered) == ("hidden", [None] * 3)
    assert text.startswith("unreadable: ")


def test_the_counts_that_are_printed_add_up(
    colours: Path, artefact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(colours, "--model", artefact, "--output", OUTPUT)
    said = capsys.readouterr().out
    assert "predict: 5 files: 3 answered, 1 hidden, 1 unreadable\n" in said
    assert "answers: red 1, green 1, blue 1; the model abstains on 0" in said
    assert "first unreadable: notes.txt: " in said


def test_answers_are_those_of_the_server(
    photographs: Path, model: Path, classifier: Classifier, tmp_path: Path
) -> None:
    assert predict(photographs, "--model", model, "--output", OUTPUT) == 0
    settings = Settings(prediction_log=str(tmp_path / "log"))
    with serving(classifier, settings) as client:
        for path in column("path"):
            client.post("/predict", content=(photographs / path).read_bytes()).raise_for_status()
    [log] = (tmp_path / "log").iterdir()
    asked = [json.loads(line) for line in log.read_text().splitlines()]
    facts = ("class", "abstain", "image_sha256", "width", "height", "format", *FEATURES)
    for row, logged in zip(rows(), asked, strict=True):
        assert {name: row[name] for name in facts} == {name: logged[name] for name in facts}
        assert row["confidence"] == pytest.approx(logged["confidence"], abs=1e-6)
        assert [name for name, _ in row["probabilities"]] == list(logged["probabilities"])


def test_csv_says_what_parquet_says(colours: Path, artefact: Path) -> None:
    words = (colours, "--model", artefact, "--embedding", "--output")
    assert predict(*words, OUTPUT) == predict(*words, "answers.csv") == 0
    with Path("answers.csv").open(newline="") as file:
        flat = list(csv.DictReader(file))
    for row, texts in zip(rows(), flat, strict=True):
        assert list(row) == list(texts)
        if row["reason"]:
            assert texts["probabilities"] == texts["class"] == ""
            assert texts["reason"] == row["reason"]
            continue
        assert json.loads(texts["probabilities"]) == dict(row["probabilities"])
        assert json.loads(texts["embedding"]) == pytest.approx(row["embedding"])
        assert float(texts["confidence"]) == row["confidence"]
        assert texts["abstain"] == "false"


def test_options_say_how_much_is_listed_and_when_to_abstain(colours: Path, artefact: Path) -> None:
    words = (colours, "--model", artefact, "--output", OUTPUT, "--top", 1, "--abstain-below", 1)
    assert predict(*words) == 0
    answered = [row for row in rows() if not row["reason"]]
    assert [len(row["probabilities"]) for row in answered] == [1, 1, 1]
    assert [row["probabilities"][0] for row in answered] == [
        (row["class"], row["confidence"]) for row in answered
    ]
    assert all(row["abstain"] == (row["confidence"] < 1) for row in answered)
    assert "embedding" not in answered[0]


def test_without_an_option_the_artefact_says_when_it_abstains(colours: Path) -> None:
    sure = write_colour_artefact(Path("sure.onnx"), abstain_threshold=1.0)
    assert predict(colours, "--model", sure, "--output", OUTPUT) == 0
    assert True in column("abstain")


def test_embeddings_are_those_of_the_classifier(photographs: Path, model: Path) -> None:
    assert predict(photographs, "--model", model, "--output", OUTPUT, "--embedding") == 0
    classifier = Classifier(model)
    from server.image.decode import decode

    first = rows()[0]
    data = (photographs / first["path"]).read_bytes()
    decoded = decode(data, target=classifier.resizer.size)
    pixels = classifier.resizer(decoded.picture, decoded.box)
    assert first["embedding"] == pytest.approx(classifier(pixels[None])[1][0].tolist(), abs=1e-5)


def test_labels_and_splits_play_no_part(artefact: Path, tmp_path: Path) -> None:
    source = draw_folder(tmp_path / "2024-05-01", per_class=2)
    (source / "train").mkdir()
    shutil.copy(source / "disc/disc-000.jpg", source / "train")
    (source / "labels.csv").write_text("image,label\n")
    assert predict(source, "--model", artefact, "--output", OUTPUT) == 0
    assert len(rows()) == 8
    assert sum(reason is None for reason in column("reason")) == 7


def test_a_packaged_data_set_is_a_source() -> None:
    files = list(find_files(str(ROOT / "data/solar-cells.yaml")))
    assert [file.path for file in files[:2]] == ["images/cell0001.png", "images/cell0002.png"]
    assert len(files) == 2624
    assert all(Path(file.file).is_file() for file in files)


def test_one_file_is_a_source(colours: Path, artefact: Path) -> None:
    assert predict(colours / "a.png", "--model", artefact, "--output", OUTPUT) == 0
    assert column("path") == [str(colours / "a.png")]
    assert column("class") == ["red"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0"])
def test_a_list_on_stdin_is_a_source(colours: Path, artefact: Path, end: bytes) -> None:
    names = ["photos/notes.txt", "photos/deep/b.jpg", "photos/none.png", "photos/deep/b.jpg"]
    done = of_list(end.join(map(str.encode, names)) + end, "--model", artefact, "--output", OUTPUT)
    assert done.returncode == 0, done.stderr
    assert column("path") == names
    assert column("class") == [None, "green", None, "green"]
    assert column("reason")[2] == "unreadable: No such file or directory"


def test_what_is_no_file_or_too_large_is_a_row_with_the_reason(
    colours: Path, artefact: Path
) -> None:
    os.mkfifo("pipe")
    with Path("film.mov").open("wb") as film:
        film.truncate(400_000_000)
    done = of_list(b"pipe\nphotos\nfilm.mov\n", "--model", artefact, "--output", OUTPUT)
    assert done.returncode == 0, done.stderr
    assert column("reason") == [
        "unreadable: a device, a socket or a FIFO, no file",
        "unreadable: a folder, no file",
        "unreadable: more bytes than the limit of 350,000,000",
    ]


def complaint(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert predict(*words) == 2
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_mistakes_are_one_line_and_leave_nothing(
    colours: Path, artefact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    Path("folder.csv").mkdir()
    Path("text.onnx").write_text("text")
    before = sorted(Path().rglob("*"))
    given = ("--model", artefact, "--output", OUTPUT)
    cases: list[tuple[Sequence[object], str]] = [
        (("none", *given), "none: not there; give a folder"),
        (("empty", *given), "empty: no files there"),
        ((colours, "--model", artefact, "--output", "a.txt"), "must end in .parquet or .csv"),
        ((colours, "--model", artefact, "--output", "folder.csv"), "folder.csv: a folder is there"),
        ((colours, "--model", artefact, "--output", colours / "a.csv"), "lies in"),
        ((colours, "--model", "none.onnx", "--output", OUTPUT), "none.onnx: no model there"),
        ((colours, "--model", "text.onnx", "--output", OUTPUT), "not an ONNX model (4 bytes)"),
        ((colours, *given, "--top", 0), "'--top'"),
        ((colours, *given, "--abstain-below", 2), "'--abstain-below'"),
        ((colours, *given, "--abstain-below", "nan"), "'--abstain-below'"),
    ]
    for words, said in cases:
        assert said in complaint(capsys, *words), words
    assert sorted(Path().rglob("*")) == before


def test_an_empty_list_is_one_line_and_leaves_nothing(artefact: Path) -> None:
    before = sorted(Path().rglob("*"))
    done = of_list(b"", "--model", artefact, "--output", OUTPUT)
    assert done.returncode == 2
    assert b"error: -: no list on stdin; pipe one in" in done.stderr
    assert sorted(Path().rglob("*")) == before


def test_a_name_that_is_not_utf_8_is_one_line(artefact: Path) -> None:
    done = of_list(b"caf\xe9.jpg\n", "--model", artefact, "--output", OUTPUT)
    assert done.returncode == 2
    assert b"caf\\xe9.jpg: this name is not UTF-8; rename it" in done.stderr


def test_a_model_that_answers_with_no_probabilities_is_one_line(
    colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = write_pixel_artefact(Path("wrong.onnx"))
    line = complaint(capsys, colours, "--model", wrong, "--output", OUTPUT)
    assert "answers with what are no probabilities; export it again" in line


def test_hostile_names_are_shown_by_escapes_and_kept_in_the_table(
    artefact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("source").mkdir()
    name = '=1+1\n\x1b[31m,".png'
    (Path("source") / name).write_bytes(encoded(coloured("red")))
    (Path("source") / f"{name}.txt").write_bytes(b"text")
    assert predict("source", "--model", artefact, "--output", "answers.csv") == 0
    assert "\x1b" not in capsys.readouterr().out
    with Path("answers.csv").open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [name, f"{name}.txt"]
