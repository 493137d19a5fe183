"""`python -m tests.project.parameters`: write the table of parameters, and the defaults for tests.

Types and ranges come from the stages' options, defaults and descriptions from params.yaml.
"""

import importlib
import re
from enum import Enum
from pathlib import Path
from typing import get_args, get_type_hints

import yaml
from typer.models import OptionInfo

from stages.cli.command import comments
from stages.evaluation.markdown import MarkdownText, markdown_table
from tests.kit.stage import IS_DEFAULT, MODULES, PROJECT, ROOT

DOCUMENT = ROOT / "stages/README.md"
FIXED = ROOT / "tests/kit/params.yaml"
TYPES = {
    bool: "`true`, `false`",
    int: "whole number",
    float: "number",
    str: "text",
    list[str]: "text, a number, or a list",
    Path: "path",
}
BETWEEN = re.compile(r"(?<=<!-- parameters -->\n).*?(?=<!-- end of parameters -->)", re.DOTALL)


def updated(text: str) -> str:
    """Return the document with the table as it should be; it must hold the two markers."""
    made, places = BETWEEN.subn(lambda _: f"\n{parameters()}\n\n", text)
    assert places == 1, f"{DOCUMENT}: one pair of markers for the parameters"
    return made


def parameters() -> str:
    """Return the table."""
    said = comments((ROOT / "params.yaml").read_text())
    rows = [
        (
            f"{section}.{name}",
            str(shown),
            MarkdownText(values(section, name)),
            MarkdownText(said[section, name]),
        )
        for section, defaults in PROJECT.items()
        for name, default in defaults.items()
        for shown in [str(default).lower() if isinstance(default, bool) else default]
    ]
    return markdown_table(("parameter", "default", "may be", "what it does"), rows)


def fixed() -> str:
    """Return the defaults for tests, which stay when somebody sets other parameters."""
    text = yaml.safe_dump(PROJECT, sort_keys=False)
    return f"# the defaults of params.yaml, written by `make parameters`\n{text}"


def values(section: str, name: str) -> str:
    """Say what an option takes: choices, or a type and its range."""
    main = importlib.import_module(f"stages.{MODULES.get(section, section)}").main
    kind, *more = get_args(get_type_hints(main, include_extras=True)[name])
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{one.value}`" for one in kind)
    [option] = (one for one in more if isinstance(one, OptionInfo))
    least = "" if option.min is None else f" from {option.min:g}"
    most = "" if option.max is None else f" up to {option.max:g}"
    return f"{TYPES[kind]}{least}{most}"


def main() -> None:
    """Rewrite the table in place, and the parameters that tests run with."""
    DOCUMENT.write_text(updated(DOCUMENT.read_text()))
    if IS_DEFAULT:
        FIXED.write_text(fixed())


if __name__ == "__main__":
    main()
