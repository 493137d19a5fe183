import pytest

from stages.splits.duplicates import spreadsheet_cell


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_begins_no_formula(first: str) -> None:
    assert spreadsheet_cell(f"{first}cmd()") == f"'{first}cmd()"
    assert spreadsheet_cell(f"car{first}") == f"car{first}"
