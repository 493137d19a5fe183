import pytest

from stages.splits.duplicates import _cell


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_begins_no_formula(first: str) -> None:
    assert _cell(f"{first}cmd()") == f"'{first}cmd()"
    assert _cell(f"car{first}") == f"car{first}"
