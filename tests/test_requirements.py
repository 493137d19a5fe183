import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.stage import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK, flags=re.MULTILINE)


def test_the_lock_holds_what_the_project_asks_for() -> None:
    asked = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    for requirement in map(Requirement, asked):
        name = canonicalize_name(requirement.name)
        versions = [version for pinned, version in PINS if pinned == name]
        assert versions, f"{name} is not in requirements.lock: run `make lock`"
        assert all(requirement.specifier.contains(version) for version in versions), name


def test_every_pin_has_a_hash_and_no_address() -> None:
    assert "://" not in LOCK
    for block in re.split(r"^(?=[a-z0-9-]+==)", LOCK, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block, block
