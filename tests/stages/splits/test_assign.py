from collections import Counter

import pytest

from server.errors import UserError
from stages.splits.assign import Member, assign, check, leaks


def members(count: int, *, label: str = "a", where: str = "", first: int = 0) -> list[Member]:
    return [
        Member(label=label, slice=where, group=first + index, key=f"{label}{where}{index}")
        for index in range(count)
    ]


MANY = [
    *members(2000, label="a", where="north"),
    *members(400, label="a", where="south", first=2000),
    *members(600, label="b", where="north", first=3000),
]


def split(
    of: list[Member], seed: int = 0, validation: float = 0.15, test: float = 0.2
) -> list[str]:
    return assign(of, validation_fraction=validation, test_fraction=test, seed=seed)


def test_each_class_and_slice_is_split_by_the_fractions_up_to_chance() -> None:
    counts = Counter(zip([(m.label, m.slice) for m in MANY], split(MANY), strict=True))
    for stratum, size in ((("a", "north"), 2000), (("a", "south"), 400), (("b", "north"), 600)):
        for name, share in (("test", 0.2), ("val", 0.15)):
            deviation = (size * share * (1 - share)) ** 0.5
            assert abs(counts[stratum, name] - size * share) < 4 * deviation


def test_one_more_image_moves_no_other() -> None:
    before = split(MANY)
    for index in range(50):
        more = Member(label="b", slice="south", group=9000 + index, key=f"new{index}")
        assert split([*MANY, more])[:-1] == before


def test_a_seed_repeats_and_another_differs() -> None:
    assert split(MANY) == split(MANY)
    assert split(MANY) != split(MANY, seed=1)


def test_the_order_of_files_does_not_matter() -> None:
    assert split(MANY[::-1]) == split(MANY)[::-1]


def test_a_group_is_never_in_two_splits() -> None:
    together = [
        Member(label="ab"[index % 2], slice="", group=index // 5, key=str(index))
        for index in range(500)
    ]
    seen: dict[int, set[str]] = {}
    for member, where in zip(together, split(together), strict=True):
        seen.setdefault(member.group, set()).add(where)
    assert all(len(where) == 1 for where in seen.values())


@pytest.mark.parametrize("seed", range(30))
def test_chance_leaves_no_class_and_no_slice_out(seed: int) -> None:
    few = [*members(3, label="rare", where="x"), *members(3, label="rare", where="y", first=10)]
    splits = split([*few, *members(30, label="b", first=20)], seed=seed)
    assert {"train", "val", "test"} == set(splits[:3]) == set(splits[3:6])


def test_what_the_source_split_stays_and_what_is_missing_is_carved(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [
        Member(label="ab"[index % 2], slice="", group=index, key=str(index), split=name)
        for index, name in enumerate(["train"] * 400 + ["test"] * 50)
    ]
    splits = split(given)
    assert splits[400:] == ["test"] * 50
    assert set(splits[:400]) == {"train", "val"}
    assert 30 < splits.count("val") < 90
    assert "no val in the source" in capsys.readouterr().out


def test_leaks_are_what_shares_a_group_with_a_later_split() -> None:
    shared = [Member(label="a", slice="", group=group, key=str(group)) for group in (1, 1, 1, 2, 2)]
    found = dict(leaks(shared, ["train", "test", "val", "train", "train"]))
    assert found == {0: 1, 2: 1}


def test_too_few_images_are_refused_with_their_counts() -> None:
    labels, splits = ["a"] * 3 + ["rare"] * 2, ["train", "val", "test", "train", "val"]
    with pytest.raises(UserError, match=r"class rare: 2 images .* \(1 train, 1 val, 0 test\)"):
        check(labels, splits, given=set())
    check(labels, splits, given={"train", "test"})


@pytest.mark.parametrize(("validation", "test"), [(0, 0.2), (0.2, 0), (0.5, 0.5), (-1, 0.5)])
def test_fractions_that_leave_a_split_empty_are_refused(validation: float, test: float) -> None:
    with pytest.raises(UserError, match=r"prepare\.validation_fraction"):
        split(MANY, validation=validation, test=test)
