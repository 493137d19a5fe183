from collections import Counter

import pytest

from server.errors import UserError
from stages.splits import Member, stratified

MEMBERS = [
    Member(label=label, slice=where, key=f"{label}{where}{index}")
    for label, count in (("a", 100), ("b", 20))
    for where in ("north", "south")
    for index in range(count)
]


def split(members: list[Member], seed: int = 0) -> list[str]:
    return stratified(members, validation_fraction=0.15, test_fraction=0.2, seed=seed)


def test_each_class_and_slice_is_split_by_the_fractions() -> None:
    counts = Counter(zip([(m.label, m.slice) for m in MEMBERS], split(MEMBERS), strict=True))
    for where in ("north", "south"):
        found = [counts[("a", where), name] for name in ("train", "val", "test")]
        assert found == [65, 15, 20]
        assert [counts[("b", where), name] for name in ("train", "val", "test")] == [13, 3, 4]


def test_a_seed_repeats_and_another_differs() -> None:
    assert split(MEMBERS) == split(MEMBERS)
    assert split(MEMBERS) != split(MEMBERS, seed=1)


def test_the_order_of_files_does_not_matter() -> None:
    forward = dict(zip([m.key for m in MEMBERS], split(MEMBERS), strict=True))
    backward = MEMBERS[::-1]
    assert forward == dict(zip([m.key for m in backward], split(backward), strict=True))


def test_too_few_images_are_refused_with_their_counts() -> None:
    members = [
        *MEMBERS,
        Member(label="rare", slice="", key="1"),
        Member(label="rare", slice="", key="2"),
    ]
    with pytest.raises(
        UserError, match=r"class rare: 2 images are too few .*2 train, 0 val, 0 test"
    ):
        split(members)


@pytest.mark.parametrize(("validation", "test"), [(0, 0.2), (0.2, 0), (0.5, 0.5), (-1, 0.5)])
def test_fractions_that_leave_a_split_empty_are_refused(validation: float, test: float) -> None:
    with pytest.raises(UserError, match=r"prepare\.validation_fraction"):
        stratified(MEMBERS, validation_fraction=validation, test_fraction=test, seed=0)
