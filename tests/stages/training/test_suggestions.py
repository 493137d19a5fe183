from pathlib import Path

import pytest

from server.errors import UserError
from stages.sources.descriptor import suggestions
from stages.training.suggestions import resolve
from tests.kit.stage import ROOT

GIVEN = {"flip": "auto", "turns": "auto", "lr": 0.1}


def test_the_solar_cells_suggest_that_they_have_no_top_and_no_left() -> None:
    suggested = suggestions(ROOT / "data/solar-cells.yaml")
    assert resolve(GIVEN, suggested) == {"flip": "both", "turns": "quarter", "lr": 0.1}


def test_a_folder_suggests_nothing_and_photographs_may_be_mirrored(tmp_path: Path) -> None:
    assert suggestions(tmp_path) == {}
    assert resolve(GIVEN, {}) == {"flip": "horizontal", "turns": "none", "lr": 0.1}


def test_what_is_given_is_not_overridden() -> None:
    given = {"flip": "none", "turns": "auto"}
    assert resolve(given, {"flip": "both", "turns": "quarter"}) == {
        "flip": "none",
        "turns": "quarter",
    }


@pytest.mark.parametrize(
    ("suggested", "complaint"),
    [
        ({"flip": "vertical"}, "train.flip=auto: the data set suggests vertical, which is none of"),
        ({"turns": "auto"}, "suggests auto, which is none of none, quarter; mend its descriptor"),
        ({"lr": "0.1"}, "suggests train.lr, which is never auto; only flip, turns can be"),
    ],
)
def test_what_cannot_be_suggested_is_refused(suggested: dict[str, str], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        resolve(GIVEN, suggested)


@pytest.mark.parametrize("text", ["suggest: both", "suggest: [flip]", "suggest: {turns: no}"])
def test_a_descriptor_suggests_words_by_names_or_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "cells.yaml").write_text(text)
    with pytest.raises(UserError, match=r"cells\.yaml: suggest must name parameters of train"):
        suggestions(tmp_path / "cells.yaml")
