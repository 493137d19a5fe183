"""Markdown as its reader gets it: code, and what else there is."""

import re
from dataclasses import dataclass, field

from markdown_it import MarkdownIt

GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])
OURS = re.compile(r"</?details>|</?summary>|[\w :,]+|\n")  # HTML of the reports


@dataclass
class Rendered:
    """The code spans, the rest of the text, and the tags of links, pictures and foreign HTML."""

    codes: list[str] = field(default_factory=list)
    text: str = ""
    foreign: list[str] = field(default_factory=list)


def render(markdown: str) -> Rendered:
    """Read Markdown as GitHub does."""
    rendered = Rendered()
    for block in GITHUB.parse(markdown):
        for token in block.children or [block]:
            if token.type == "code_inline":
                rendered.codes.append(token.content)
            elif token.type.startswith("html"):
                rendered.foreign += [OURS.sub("", token.content)] * bool(
                    OURS.sub("", token.content)
                )
            elif token.type in ("link_open", "image", "em_open", "s_open", "hr"):
                rendered.foreign.append(token.type)
            else:
                rendered.text += f" {token.content}"
    return rendered
