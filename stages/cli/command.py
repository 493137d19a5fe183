"""How a stage is called: a typed function becomes a command line with one-line errors.

DVC turns a section of params.yaml into options (`${train}` becomes `--lr 0.001 --no-amp`), so the
signature of a stage is the schema of its parameters.
"""

import errno
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, get_args, get_type_hints

import typer
import yaml
from typer.exceptions import TyperException
from typer.models import OptionInfo

from server.errors import UserError

PARAMS = Path("params.yaml")
MENDABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def run(main: Callable[..., None], *, section: str = "") -> NoReturn:
    """Run `main` with the options of the command line, and exit.

    `section` of params.yaml explains the options for `--help`. It also gives those that a person
    leaves out; DVC gives all of them.

    A mistake of the user's is one line on stderr and exit code 2; anything else is a bug of ours
    and keeps its traceback.
    """
    _explain(main, section)
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


def comments(text: str) -> dict[tuple[str, str], str]:
    """Return the comment above each parameter of a params.yaml, by section and name."""
    found: dict[tuple[str, str], str] = {}
    section, said = "", list[str]()
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "#":
            said.append(rest)
            continue
        if line.startswith("  ") and word.endswith(":"):
            found[section, word[:-1]] = " ".join(said)
        elif word.endswith(":"):
            section = word[:-1]
        said = []
    return found


def _explain(main: Callable[..., None], section: str) -> None:
    """Give each option that is a parameter its comment in params.yaml as help."""
    if not section or not PARAMS.is_file():
        return
    said = comments(PARAMS.read_text(encoding="utf-8"))
    for name, hint in get_type_hints(main, include_extras=True).items():
        for option in get_args(hint)[1:]:
            if isinstance(option, OptionInfo) and (section, name) in said:
                option.help = said[section, name]


def _section(name: str) -> dict[str, Any]:
    try:
        found = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))[name]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
