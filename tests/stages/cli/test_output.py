from math import inf, nan
from pathlib import Path

import pytest

from stages.cli.output import write_json


def test_json_ends_with_a_newline_and_keeps_letters(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"größe": 1})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "größe": 1\n}\n'


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_what_json_has_no_word_for_is_not_written(tmp_path: Path, value: float) -> None:
    write_json(tmp_path / "a.json", {"loss": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"deep": [{"loss": value}]})
    assert (tmp_path / "a.json").read_text() == '{\n  "loss": 1.0\n}\n'
