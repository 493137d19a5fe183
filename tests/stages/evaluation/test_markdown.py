import pytest

from stages.evaluation.markdown import MarkdownText, code, markdown_table
from tests.kit.hostile import CLASSES, SLICES
from tests.kit.markdown import render

NAMES = (*CLASSES, *SLICES, "a\\\\|b", "|", "||", "\\", "`", "a`` b`", "|`|", "  two  ", "plain")


def test_names_in_a_table_are_shown_as_they_are() -> None:
    rows = [(name, 1, 0.5) for name in NAMES]
    shown = render(markdown_table((*map(code, NAMES[:2]), "number"), rows))
    assert shown.codes == [*NAMES[:2], *NAMES]
    assert not shown.foreign
    assert shown.text.split() == ["number", *["1", "0.500"] * len(NAMES)]


@pytest.mark.parametrize("text", ["# {}", "* {}: judged", "**{}**", "a, {}, {}", "> {}"])
def test_names_in_a_text_are_shown_as_they_are(text: str) -> None:
    for name in NAMES:
        shown = render(text.replace("{}", code(name)))
        assert shown.codes == [name] * text.count("{}")
        assert not shown.foreign


def test_what_no_page_shows_is_shown_by_escapes() -> None:
    assert code("a\nb\x1b\u202e") == "`a\\nb\\x1b\\u202e`"


def test_cells_are_numbers_or_markdown_or_foreign() -> None:
    table = markdown_table(("a", "b", "c", "d"), [(0, 0.12345, MarkdownText("**x** | y"), "*z*")])
    assert table.splitlines()[-1] == "| 0 | 0.123 | **x** \\| y | `*z*` |"
    assert markdown_table(("a",), [("",)]).endswith("|  |")
