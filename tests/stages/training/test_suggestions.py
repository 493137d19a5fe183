from pathlib import Path

import pytest

from server.errors import UserError
from stages.sources.descriptor import suggestions
from stages.training.suggestions import resolve
from tests.kit.stage import ROOT

GIVEN = {"flip": "auto", "turns": "auto", "scale": "auto", "lr": 0.1}


def test_the_solar_cells_suggest_that_they_have_no_top_and_no_left_and_fill_their_picture() -> None:
    suggested = suggestions(str(ROOT / "data/solar-cells.yaml"))
    cells = {"flip": "both", "turns": "quarter", "scale": 1.0, "lr": 0.1}
    assert resolve(GIVEN, suggested) == cells


def test_a_folder_suggests_nothing_and_photographs_are_mirrored_and_cropped(tmp_path: Path) -> None:
    assert suggestions(str(tmp_path)) == {}
    assert resolve(GIVEN, {}) == {"flip": "horizontal", "turns": "none", "scale": 0.8, "lr": 0.1}


def test_what_is_given_is_not_overridden() -> None:
    given = {"flip": "none", "turns": "auto", "scale": "0.5"}
    assert resolve(given, {"flip": "both", "turns": "quarter", "scale": "1"}) == {
        "flip": "none",
        "turns": "quarter",
        "scale": 0.5,
    }


@pytest.mark.parametrize(
    ("name", "value"), [("scale", "0.01"), ("scale", "nan"), ("scale", "half"), ("flip", "up")]
)
def test_what_is_given_and_means_nothing_is_refused(name: str, value: str) -> None:
    with pytest.raises(UserError, match=f"^train.{name}={value}: must be auto, or one of "):
        resolve({**GIVEN, name: value}, {})


@pytest.mark.parametrize(
    ("suggested", "complaint"),
    [
        ({"flip": "vertical"}, "train.flip=auto: the data set suggests vertical, which is none of"),
        ({"turns": "auto"}, "suggests auto, which is none of none, quarter; mend its descriptor"),
        ({"scale": "2"}, "the data set suggests 2, which is none of the numbers from 0.05 to 1"),
        ({"lr": "0.1"}, "suggests train.lr, which is never auto; only flip, turns, scale can be"),
    ],
)
def test_what_cannot_be_suggested_is_refused(suggested: dict[str, str], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        resolve(GIVEN, suggested)


@pytest.mark.parametrize("text", ["suggest: both", "suggest: [flip]", "suggest: {turns: no}"])
def test_a_descriptor_suggests_words_by_names_or_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "cells.yaml").write_text(text)
    with pytest.raises(UserError, match=r"cells\.yaml: suggest must name parameters of train"):
        suggestions(str(tmp_path / "cells.yaml"))
