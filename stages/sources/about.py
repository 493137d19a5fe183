"""What a source says of itself: its title, licence and whom to cite."""

from pathlib import Path

import yaml

KEYS = ("title", "licence", "cite")
LICENCES = ("LICENSE", "LICENCE", "LICENSE.txt", "LICENCE.txt", "LICENSE.md", "LICENCE.md")


def about(source: Path) -> dict[str, str]:
    """Return those of `KEYS` that are known: a descriptor names them, a folder holds a licence.

    Of a folder's licence its first line is taken, which is its name.
    """
    if source.is_file():
        card = yaml.safe_load(source.read_text(encoding="utf-8"))
        return {key: str(card[key]) for key in KEYS if key in card}
    for name in LICENCES:
        if (source / name).is_file():
            lines = (source / name).read_text(encoding="utf-8", errors="replace").splitlines()
            first = next((line.strip("# \t") for line in lines if line.strip("# \t")), "")
            return {"licence": first} if first else {}
    return {}
