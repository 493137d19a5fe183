import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import pytest
from typer import Option

from stages.cli.command import parameters, run
from server.errors import UserError


def call(main: object, *words: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["stage", *words])
        with pytest.raises(SystemExit) as stop:
            run(main)
    return int(stop.value.code or 0)


def test_options_are_known_as_dvc_writes_them(capsys: pytest.CaptureFixture[str]) -> None:
    def main(
        *, on_bad_image: Annotated[str, Option()], with_amp: Annotated[bool, Option()]
    ) -> None:
        print(on_bad_image, with_amp)

    assert call(main, "--on_bad_image", "two_words", "--no-with_amp") == 0
    assert capsys.readouterr().out == "two_words False\n"


def test_a_mistake_is_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise UserError("data/two  cars\n\x1b[31m: not there")

    assert call(main) == 2
    assert capsys.readouterr().err == "error: data/two  cars\\n\\x1b[31m: not there\n"


def test_a_bug_keeps_its_traceback() -> None:
    def main() -> None:
        raise ZeroDivisionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["stage"])
        with pytest.raises(ZeroDivisionError):
            run(main)


def test_help_explains_and_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        """Do nothing, gladly."""

    assert call(main, "--help") == 0
    assert "Do nothing, gladly." in capsys.readouterr().out


def test_paths_are_no_parameters() -> None:
    assert parameters({"lr": 0.1, "prepared": Path("data")}) == {"lr": 0.1}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_cannot_be_written_is_one_line(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        raise OSError(number, os.strerror(number), "data/prepared")

    assert call(main) == 2
    assert capsys.readouterr().err.startswith(f"error: data/prepared: {os.strerror(number)}; make")


def test_help_shows_a_comment_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    def main(*, name: Annotated[str, Option()]) -> None:
        pass

    Path("params.yaml").write_text("part:\n  # [red] w[/]h, 0 to [1]\n  name: a\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["stage", "--help"])
        with pytest.raises(SystemExit):
            run(main, section="part")
    assert "[red] w[/]h, 0 to [1]" in capsys.readouterr().out


def test_ctrl_c_is_one_line_and_the_code_of_a_signal(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise KeyboardInterrupt

    assert call(main) == 130
    assert (
        capsys.readouterr().err == "error: stopped by Ctrl-C; run the same command again to go on\n"
    )


@pytest.mark.parametrize(
    ("root", "words"), [(".", ()), (".", ("--bogus", "1")), ("elsewhere", ()), ("", ())]
)
def test_under_dvc_a_failure_says_how_to_have_the_outputs_again(
    root: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        raise UserError("data/cars: not there")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_STAGE", "train")
        if root:  # in a copy of `--temp` or the queue DVC names the main checkout
            patch.setenv("DVC_ROOT", str(Path.cwd() / root))
        assert call(main, *words) == 2
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("error: ")
    assert len(said) == (2 if root == "." else 1)
    assert root != "." or said[1].startswith("hint: DVC had removed what train writes: run")
