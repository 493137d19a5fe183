import pytest

from tests.project.licences import EXCEPTIONS, NAMES, allowed, licences


def test_every_dependency_has_a_licence_that_is_allowed() -> None:
    found = dict(licences())
    assert len(found) > 0.8 * len(NAMES["requirements.lock"])
    wrong = {name: licence for name, licence in found.items() if not allowed(name, licence)}
    assert not wrong, "judge them in .github/licences.txt"


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", True),
        ("GPL-3.0", False),
        ("Apache-2.0 OR GPL-2.0-or-later", True),
        ("MIT AND GPL-3.0", False),
        ("none named", False),
    ],
)
def test_a_licence_is_judged_by_all_its_parts(licence: str, expected: bool) -> None:
    assert allowed("somebody", licence) is expected


def test_no_exception_is_for_what_is_not_there_or_is_in_a_server_unseen() -> None:
    locked = set().union(*NAMES.values())
    assert {name for name in EXCEPTIONS if "*" not in name} <= locked
    for lock in ("requirements-server.lock", "requirements-server-cpu.lock"):
        assert not set(EXCEPTIONS) & NAMES[lock]
