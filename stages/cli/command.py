"""How a stage is called: a typed function becomes a command line with one-line errors.

DVC turns a section of params.yaml into options (`${train}` becomes `--lr 0.001 --no-amp`), so the
signature of a stage is the schema of its parameters.
"""

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import typer
import yaml
from typer.exceptions import TyperException

from server.errors import UserError

MENDABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def run(main: Callable[..., None], *, section: str = "") -> NoReturn:
    """Run `main` with the options of the command line, and exit.

    By hand, options that are left out are taken from `section` of params.yaml, where there is one;
    DVC gives all of them.

    A mistake of the user's is one line on stderr and exit code 2; anything else is a bug of ours
    and keeps its traceback.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(
        help=main.__doc__,
        # DVC writes --on_bad_image, Typer knows --on-bad-image
        context_settings={
            "token_normalize_func": lambda token: token.replace("_", "-"),
            "default_map": _section(section),
        },
    )(main)
    try:
        sys.exit(app(standalone_mode=False))
    except TyperException as error:
        fail(error.format_message())
    except UserError as error:
        fail(str(error))
    except OSError as error:
        if error.errno not in MENDABLE:
            raise
        fail(f"{error.filename or 'an output'}: {error.strerror}; make room, or mend its rights")


def fail(message: str) -> NoReturn:
    """Say in one line what is wrong, and exit with 2."""
    print("error:", " ".join(message.split()), file=sys.stderr)
    raise SystemExit(2)


def parameters(options: dict[str, Any], *, but: str = "") -> dict[str, Any]:
    """Return those of a stage's `locals()` that are parameters, so not paths, in JSON's types."""
    return {
        name: value
        for name, value in options.items()
        if name != but and not isinstance(value, Path)
    }


def _section(name: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))[name]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
