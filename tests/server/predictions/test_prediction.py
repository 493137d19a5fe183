"""The prediction row: the highest few probabilities, and never longer than collectors take."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from math import fsum
from pathlib import Path

import pytest

from server.drift.table import read_rows
from server.predictions.prediction import LONGEST_LINE, Picture, Prediction
from tests.kit.artefact import PROBABILITIES, VALUES, write_pixel_artefact
from tests.kit.drawing import photograph
from tests.kit.live import serve

PREDICTION = Prediction(
    id="01920000-0000-7000-8000-000000000000",
    time=datetime(2026, 11, 23, tzinfo=UTC),
    model="0123456789ab",
    revision="0" * 40,
    probabilities={"a": 0.125, "b": 0.5, "c": 0.125, "d": 0.25},
    threshold=0.5,
    picture=Picture(width=1, height=1, format="PNG", features={"brightness": 0.5}, sha256="0" * 64),
    provider="CPUExecutionProvider",
    milliseconds={"queue": 0.1, "decode": 0.2, "infer": 0.3},
)
HOSTILE = {
    "control characters": "\x01",
    "quotes": '"',
    "backslashes": "\\",
    "two bytes a character": "ß",
    "four bytes a character": "\U0001f697",
}


def named(character: str, classes: int) -> Prediction:
    """Return a prediction of so many classes whose names have 255 bytes, all about as probable."""
    size = len(character.encode())
    names = [f"{n:07}" + character * (248 // size) for n in range(classes)]
    return replace(
        PREDICTION, probabilities={name: (1 + n % 7) / 7919 for n, name in enumerate(names)}
    )


def test_a_row_lists_the_highest_first_and_sums_the_others() -> None:
    row = json.loads(PREDICTION.line(top=2))
    assert list(row["probabilities"].items()) == [("b", 0.5), ("d", 0.25)]
    assert row["rest"] == {"classes": 2, "probability": 0.25}
    assert (row["class"], row["confidence"], row["abstain"]) == ("b", 0.5, False)


@pytest.mark.parametrize("top", [4, 1000])
def test_a_row_that_lists_all_says_that_nothing_is_left(top: int) -> None:
    row = json.loads(PREDICTION.line(top=top))
    assert "".join(row["probabilities"]) == "bdac", "equal ones are in index order"
    assert row["rest"] == {"classes": 0, "probability": 0}


@pytest.mark.parametrize("top", [1, 20, 1000])
@pytest.mark.parametrize("character", HOSTILE.values(), ids=list(HOSTILE))
def test_a_row_is_not_longer_than_collectors_take_and_lists_what_fits(
    character: str, top: int
) -> None:
    prediction = named(character, 1000)
    line = prediction.line(top=top)
    row = json.loads(line)
    assert len(line) <= LONGEST_LINE
    assert line.count(b"\n") == 1
    listed, rest = row["probabilities"], row["rest"]
    assert next(iter(listed.items())) == (prediction.name, prediction.confidence)
    assert row["class"] == prediction.name
    assert len(listed) + rest["classes"] == 1000
    total = fsum(prediction.probabilities.values())
    assert fsum([*listed.values(), rest["probability"]]) == pytest.approx(total, rel=1e-12)
    longer = json.dumps(prediction.row(len(listed) + 1), ensure_ascii=False, separators=(",", ":"))
    assert len(listed) == top or len(longer.encode()) >= LONGEST_LINE


def test_rows_of_both_versions_are_judged_alike() -> None:
    second = PREDICTION.row(2)
    first = {**second, "probabilities": PREDICTION.probabilities}
    del first["rest"]
    columns = [
        read_rows([json.dumps(row).encode()], model=PREDICTION.model).columns
        for row in (first, second)
    ]
    for name, values in columns[0].items():
        assert values.tolist() == pytest.approx(columns[1][name].tolist(), nan_ok=True)


def test_a_server_of_many_classes_with_long_names_logs_and_answers_few(tmp_path: Path) -> None:
    names = [f"{n:03}" + "\x01" * 252 for n in range(VALUES)]
    model = write_pixel_artefact(tmp_path / "model.onnx", PROBABILITIES, classes=names)
    with serve(tmp_path, model, LOG_TOP="15") as live:

        def ask(query: str) -> dict[str, object]:
            return dict(live.client.post(f"/predict{query}", content=photograph()).json())

        every, few = ask(""), ask("?top=3")
        [file] = (tmp_path / "data/predictions").iterdir()
        lines = file.read_bytes().splitlines(keepends=True)
        rows = live.rows()
    assert list(every["probabilities"]) == names
    assert "rest" not in every
    ranked = sorted(every["probabilities"].items(), key=lambda item: -item[1])
    assert list(few["probabilities"].items()) == ranked[:3]
    total = fsum(p for _, p in ranked[3:])
    assert few["rest"] == {"classes": VALUES - 3, "probability": pytest.approx(total)}
    assert max(map(len, lines)) <= LONGEST_LINE
    for row in rows:
        listed = list(row["probabilities"].items())
        assert listed == ranked[: len(listed)]
        assert 5 < len(listed) < 15
        assert row["rest"]["classes"] == VALUES - len(listed)
