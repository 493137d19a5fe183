"""`python -m tests.project.licences`: list the licences of dependencies, and those not allowed."""

import fnmatch
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions

from tests.kit.stage import ROOT

NAMES = {
    lock.name: set(re.findall(r"^([a-z0-9-]+)==", lock.read_text(), re.MULTILINE))
    for lock in [ROOT / "requirements.lock", *sorted((ROOT / "server/locks").glob("*.lock"))]
}
RULES = [
    line
    for line in (ROOT / ".github/licences.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
ALLOWED = {line for line in RULES if ":" not in line}
EXCEPTIONS = [line.split(":")[0] for line in RULES if ":" in line]


def licences() -> Iterator[tuple[str, str]]:
    """Yield name and licence of each locked package that is installed."""
    locked = set().union(*NAMES.values())
    for one in sorted(distributions(), key=_name):
        if _name(one) in locked:
            yield _name(one), _licence(one)


def allowed(name: str, licence: str) -> bool:
    """Whether it is on the list: by name, or all its parts by one of their alternatives."""
    if any(fnmatch.fnmatch(name, pattern) for pattern in EXCEPTIONS):
        return True
    parts = licence.replace("(Apache-2.0 OR MIT)", "Apache-2.0").split(" AND ")
    return all(any(choice in ALLOWED for choice in part.split(" OR ")) for part in parts)


def _name(one: Distribution) -> str:
    return re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower()


def _licence(one: Distribution) -> str:
    about = one.metadata
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    classifiers = about.get_all("Classifier") or []
    named = [line.split(" :: ")[-1] for line in classifiers if line.startswith("License ::")]
    lines = str(about.get("License") or "").strip().splitlines()
    return " AND ".join(named) or (lines[0] if lines else "none named")


def main() -> int:
    """Print the list; return 1 where one is not allowed."""
    wrong = []
    for name, licence in licences():
        print(f"{name:40}{licence}")
        wrong += [] if allowed(name, licence) else [f"{name}: {licence} is not allowed"]
    print(*wrong, sep="\n", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
