import os
import subprocess
import sys

import pytest

from server.errors import ImageError, UserError
from server.terminal import printable
from tests.kit.stage import ROOT


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two  words é 🚗 \u200fאב", "two  words é 🚗 \u200fאב"),
        ("[red] w[/]h \\n", "[red] w[/]h \\n"),
        ("line\nbreak\r\t", "line\\nbreak\\r\\t"),
        ("\x1b[2J\x07\x00\x7f\x9b", "\\x1b[2J\\x07\\x00\\x7f\\x9b"),
        ("\u202egpj.exe\u2066\u2028", "\\u202egpj.exe\\u2066\\u2028"),
        (os.fsdecode(b"\xff\xe9.jpg"), "\\xff\\xe9.jpg"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_would_not_show_is_shown_by_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize("kind", [UserError, ImageError])
def test_a_mistake_is_one_line_whatever_is_in_it(kind: type[UserError]) -> None:
    assert str(kind("a\nb\x1b[31m: not there")) == "a\\nb\\x1b[31m: not there"


def test_an_encoding_without_a_name_s_letters_ends_nothing() -> None:
    program = "from server.terminal import *; escape_unencodable(); print('é 🚗')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert done.stdout == b"\\xe9 \\U0001f697\n", done.stderr
