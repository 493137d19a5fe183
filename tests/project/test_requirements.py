import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.kit.stage import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
LOCK = (ROOT / "requirements.lock").read_text()
LOCKS = {
    extra: (ROOT / f"server/locks/requirements-{extra}.lock").read_text()
    for extra in EXTRAS
    if extra != "pipeline"
}
PIN = re.compile(r"^([a-z0-9-]+)==([^ ]+)(.*?)(?=^[a-z0-9-]+==|\Z)", re.MULTILINE | re.DOTALL)


def pins(lock: str) -> dict[tuple[str, str], set[str]]:
    """Return the hashes of each name and version."""
    return {
        (name, version): set(re.findall(r"--hash=(sha256:[0-9a-f]{64})", rest))
        for name, version, rest in PIN.findall(lock)
    }


def asked_for(extra: str) -> list[str]:
    """Return what an extra asks for, beside what all do."""
    return [*PROJECT["project"]["dependencies"], *EXTRAS[extra]]


@pytest.mark.parametrize("extra", ["pipeline", *LOCKS])
def test_the_lock_holds_what_the_project_asks_for(extra: str) -> None:
    pinned = pins(LOCKS.get(extra, LOCK))
    dev = PROJECT["dependency-groups"]["dev"] if extra == "pipeline" else []
    for requirement in map(Requirement, [*asked_for(extra), *dev]):
        name = canonicalize_name(requirement.name)
        if name == PROJECT["project"]["name"]:
            assert requirement.extras <= set(EXTRAS)
            continue
        versions = [version for pin, version in pinned if pin == name]
        assert versions, f"{name} is not in the lock of {extra}: run `make lock`"
        assert all(requirement.specifier.contains(version) for version in versions), name


@pytest.mark.parametrize("extra", LOCKS)
def test_the_lock_of_an_extra_is_a_part_of_the_whole(extra: str) -> None:
    whole, part = pins(LOCK), pins(LOCKS[extra])
    assert len(part) > len(asked_for(extra)) / 2
    for pin, hashes in part.items():
        assert whole.get(pin) == hashes, f"{pin} of {extra}: run `make lock`"


def test_no_server_has_both_builds_of_onnx_runtime_or_torch() -> None:
    names = {extra: {name for name, _ in pins(lock)} for extra, lock in LOCKS.items()}
    both = {"onnxruntime", "onnxruntime-gpu"}
    assert names["server"] & both == {"onnxruntime-gpu"}
    assert names["server-cpu"] & both == {"onnxruntime"}
    for extra, names_of in names.items():
        assert not names_of & {"torch", "torchvision", "timm", "dvc"}, extra
        if extra not in ("server", "server-cpu"):
            assert not names_of & both, extra


@pytest.mark.parametrize("lock", [LOCK, *LOCKS.values()], ids=["pipeline", *LOCKS])
def test_every_pin_has_a_hash_and_no_address(lock: str) -> None:
    assert "://" not in lock
    assert all(pins(lock).values())
    assert len(pins(lock)) == len(re.findall("^[a-z0-9-]+==", lock, flags=re.MULTILINE))
