"""`python -m tests.project.parameters`: write the table of all parameters into README.md.

Types and ranges come from the stages' options, defaults and descriptions from params.yaml.
"""

import importlib
import inspect
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from typer.models import OptionInfo

from stages.cli.command import comments
from stages.evaluation.markdown import markdown_table
from tests.kit.stage import MODULES, PARAMS, ROOT

README = ROOT / "README.md"
BETWEEN = re.compile(r"(?<=<!-- parameters -->\n).*?(?=<!-- end of parameters -->)", re.DOTALL)


def updated(text: str) -> str:
    """Return the README with the table as it should be; it must hold the two markers."""
    made, places = BETWEEN.subn(lambda _: f"\n{parameters()}\n\n", text)
    assert places == 1, "README.md: one pair of markers for the parameters"
    return made


def parameters() -> str:
    """Return the table."""
    said = comments((ROOT / "params.yaml").read_text())
    rows = [
        (f"`{section}.{name}`", f"`{_plain(default)}`", values(section, name), said[section, name])
        for section, defaults in PARAMS.items()
        for name, default in defaults.items()
    ]
    return markdown_table(("parameter", "default", "may be", "what it does"), rows)


def values(section: str, name: str) -> str:
    """Say what an option takes: choices, or a type and its range."""
    main = importlib.import_module(f"stages.{MODULES.get(section, section)}").main
    hint = get_type_hints(main, include_extras=True)[name]
    assert get_origin(hint) is Annotated
    kind, *more = get_args(hint)
    [option] = (one for one in more if isinstance(one, OptionInfo))
    return " ".join(_said(kind, option))


def _said(kind: Any, option: OptionInfo) -> Iterator[str]:
    if inspect.isclass(kind) and issubclass(kind, Enum):
        yield ", ".join(f"`{one.value}`" for one in kind)
        return
    yield {
        bool: "`true`, `false`",
        int: "whole number",
        float: "number",
        str: "text",
        Path: "path",
    }[kind]
    if option.min is not None:
        yield f"from {option.min:g}"
    if option.max is not None:
        yield f"up to {option.max:g}"


def _plain(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def main() -> None:
    """Rewrite the table in place."""
    README.write_text(updated(README.read_text()))


if __name__ == "__main__":
    main()
