from pathlib import Path

from stages.cli.output import write_json


def test_json_ends_with_a_newline_and_keeps_letters(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"größe": 1})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "größe": 1\n}\n'
