"""The command line of a stage: a typed function, with errors of one line.

DVC turns a section of params.yaml into options (`${train}` becomes `--lr 0.001 --no-amp`), so the
signature of a stage is the schema of its parameters.
"""

import errno
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, get_args, get_type_hints

import typer
import yaml
from typer.exceptions import TyperException
from typer.models import OptionInfo

from server.errors import UserError
from server.terminal import escape_unencodable, printable

PARAMS = Path("params.yaml")
STOPPED = "stopped by Ctrl-C; run the same command again to go on"
INTERRUPTED = 130  # what Typer, like a shell, makes of Ctrl-C
MENDABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in one line that Ctrl-C came, also before `run`: torch takes seconds to import."""
    if issubclass(kind, KeyboardInterrupt):
        print("error:", STOPPED, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _report


def run(main: Callable[..., None], *, section: str = "") -> NoReturn:
    """Run `main` with the options of the command line, and exit.

    `section` of params.yaml explains the options for `--help`. It also gives those that a person
    leaves out; DVC gives all of them.

    A mistake of the user's is one line on stderr and exit code 2; anything else is a bug of ours
    and keeps its traceback.
    """
    escape_unencodable()
    command = _command(main, section)
    try:
        code = command(standalone_mode=False)
    except TyperException as error:
        _fail(" ".join(error.format_message().split()))
    except UserError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno not in MENDABLE:
            raise
        _fail(f"{error.filename or 'an output'}: {error.strerror}; make room, or mend its rights")
    if code == INTERRUPTED:
        _fail(STOPPED, code=INTERRUPTED)
    sys.exit(code)


def _command(main: Callable[..., None], section: str) -> Callable[..., Any]:
    """Return `main` as a command, its options explained and filled by params.yaml."""
    text = PARAMS.read_text(encoding="utf-8") if section and PARAMS.is_file() else ""
    explained = {key: _for_help(comment) for key, comment in comments(text).items()}
    for name, hint in get_type_hints(main, include_extras=True).items():
        for option in get_args(hint)[1:]:
            if isinstance(option, OptionInfo):
                option.help = explained.get((section, name), option.help)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(
        help=main.__doc__,
        # DVC writes --on_bad_image, Typer knows --on-bad-image
        context_settings={"token_normalize_func": lambda token: token.replace("_", "-")},
    )(main)
    command, defaults = typer.main.get_command(app), _defaults(text, section)
    for option in command.params:
        if option.name in defaults:
            value = defaults[option.name]
            several = option.multiple and not isinstance(value, list)
            option.required, option.default = False, [value] if several else value
    return command


def parameters(options: dict[str, Any]) -> dict[str, Any]:
    """Return those of a stage's `locals()` that are parameters, so not paths, in JSON's types.

    Raise `UserError` for infinity and NaN, which JSON has not, nor any parameter a use for.
    """
    for name, value in options.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"--{name}={value}: must be a finite number")
    return {name: value for name, value in options.items() if not isinstance(value, Path)}


def comments(text: str) -> dict[tuple[str, str], str]:
    """Return the comment above each parameter of a params.yaml, by section and name."""
    explained: dict[tuple[str, str], str] = {}
    section, comment = "", list[str]()
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "#":
            comment.append(rest)
            continue
        if word.endswith(":") and line.startswith("  "):
            explained[section, word[:-1]] = " ".join(comment)
        elif word.endswith(":"):
            section = word[:-1]
        comment = []
    return explained


def _for_help(comment: str) -> str:
    """Return a comment as `--help` shows it: Typer takes brackets for Rich's markup."""
    if "[" not in comment:
        return comment
    from rich.markup import escape

    return escape(comment)


def _defaults(text: str, section: str) -> dict[str, Any]:
    try:
        return dict(yaml.safe_load(text)[section])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return {}


def _fail(message: str, *, code: int = 2) -> NoReturn:
    print("error:", printable(message), file=sys.stderr)
    if hint := _way_back():
        print("hint:", hint, file=sys.stderr)
    raise SystemExit(code)


def _way_back() -> str:
    """Return how to have outputs again that DVC has removed; "" where it did not, or in a copy.

    DVC removes what a stage writes before it runs the stage, so before any option is looked at.
    """
    stage, root = os.environ.get("DVC_STAGE"), os.environ.get("DVC_ROOT")
    if not stage or not root or Path(root).resolve() != Path.cwd():
        return ""
    return (
        f"DVC had removed what {stage} writes: run the command again to have it made, or take the "
        "committed results by make committed-results"
    )
