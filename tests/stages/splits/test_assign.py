from collections import Counter

import pytest

from server.errors import UserError
from stages.sources.source_file import SourceFile
from stages.splits.assign import assign, check_counts, draw_splits, leaks, refuse_unlearnable
from stages.splits.candidates import Candidate
from stages.splits.exclusion import OnLeak


def candidate(
    key: str, *, group: int, label: str = "a", where: str = "", given: str = "", split: str = ""
) -> Candidate:
    source = SourceFile(file=key, path=key, label=label, slice=where, split=given)
    return Candidate(source=source, image_sha256=key, component=group, split=split)


def several(count: int, *, label: str = "a", where: str = "", first: int = 0) -> list[Candidate]:
    return [
        candidate(f"{label}{where}{index}", group=first + index, label=label, where=where)
        for index in range(count)
    ]


MANY = [
    *several(2000, label="a", where="north"),
    *several(400, label="a", where="south", first=2000),
    *several(600, label="b", where="north", first=3000),
]


def split(
    of: list[Candidate], seed: int = 0, validation: float = 0.15, test: float = 0.2
) -> list[str]:
    draw_splits(of, {"test": test, "val": validation}, seed=seed)
    return [one.split for one in of]


def test_each_class_and_slice_is_split_by_the_fractions_up_to_chance() -> None:
    counts = Counter(
        zip([(m.source.label, m.source.slice) for m in MANY], split(MANY), strict=True)
    )
    for stratum, size in ((("a", "north"), 2000), (("a", "south"), 400), (("b", "north"), 600)):
        for name, share in (("test", 0.2), ("val", 0.15)):
            deviation = (size * share * (1 - share)) ** 0.5
            assert abs(counts[stratum, name] - size * share) < 4 * deviation


def test_one_more_image_moves_no_other() -> None:
    before = split(MANY)
    for index in range(50):
        more = candidate(f"new{index}", group=9000 + index, label="b", where="south")
        assert split([*MANY, more])[:-1] == before


def test_a_seed_repeats_and_another_differs() -> None:
    assert split(MANY) == split(MANY)
    assert split(MANY) != split(MANY, seed=1)


def test_the_order_of_files_does_not_matter() -> None:
    assert split(MANY[::-1]) == split(MANY)[::-1]


def test_a_group_is_never_in_two_splits() -> None:
    together = [
        candidate(str(index), group=index // 5, label="ab"[index % 2]) for index in range(500)
    ]
    seen: dict[int, set[str]] = {}
    for one, where in zip(together, split(together), strict=True):
        seen.setdefault(one.component, set()).add(where)
    assert all(len(where) == 1 for where in seen.values())


@pytest.mark.parametrize("seed", range(30))
def test_chance_leaves_no_class_and_no_slice_out(seed: int) -> None:
    few = [*several(3, label="rare", where="x"), *several(3, label="rare", where="y", first=10)]
    splits = split([*few, *several(30, label="b", first=20)], seed=seed)
    assert {"train", "val", "test"} == set(splits[:3]) == set(splits[3:6])


def test_what_the_source_split_stays_and_what_is_missing_is_carved(
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [
        candidate(str(index), group=index, label="ab"[index % 2], given=name)
        for index, name in enumerate(["train"] * 400 + ["test"] * 50)
    ]
    splits = split(given)
    assert splits[400:] == ["test"] * 50
    assert set(splits[:400]) == {"train", "val"}
    assert 30 < splits.count("val") < 90
    assert "no val in the source" in capsys.readouterr().out


def test_leaks_are_what_shares_a_group_with_a_later_split() -> None:
    placed = [(1, "train"), (1, "test"), (1, "val"), (2, "train"), (2, "train")]
    shared = [
        candidate(str(number), group=group, split=name)
        for number, (group, name) in enumerate(placed)
    ]
    assert list(leaks(shared)) == [(shared[0], shared[1]), (shared[2], shared[1])]


def test_too_few_images_are_refused_with_their_counts() -> None:
    placed = [("a", "train"), ("a", "val"), ("a", "test"), ("rare", "train"), ("rare", "val")]

    def made(*, given: bool) -> list[Candidate]:
        return [
            candidate(
                str(number),
                group=number,
                label=label,
                split=name,
                given=name if given and name != "val" else "",
            )
            for number, (label, name) in enumerate(placed)
        ]

    with pytest.raises(UserError, match=r"class rare: 2 images .* \(1 train, 1 val, 0 test\)"):
        check_counts(made(given=False))
    check_counts(made(given=True))


@pytest.mark.parametrize("on_leak", list(OnLeak))
def test_what_leaks_is_dropped_kept_or_an_error(on_leak: OnLeak) -> None:
    pair = [candidate(name, group=99, given=name) for name in ("train", "test")]
    others = [candidate(f"{i}", group=i, given=name) for i, name in enumerate(("train", "test"))]
    rest = [candidate(f"more{i}", group=10 + i, given="train") for i in range(9)]

    def leaked() -> int:
        everything = [*pair, *others, *rest]
        return assign(everything, {"test": 0.2, "val": 0.2}, on_leak=on_leak, seed=0)

    if on_leak is OnLeak.ERROR:
        with pytest.raises(UserError, match="train is in train and shows the same as test in test"):
            leaked()
        return
    assert leaked() == 1
    dropped = on_leak is OnLeak.DROP
    assert pair[0].status == ("leak: test of class a" if dropped else "used")
    assert [one.split for one in pair] == ["train", "test"]


@pytest.mark.parametrize(("validation", "test"), [(0, 0.2), (0.2, 0), (0.5, 0.5), (-1, 0.5)])
def test_fractions_that_leave_a_split_empty_are_refused(validation: float, test: float) -> None:
    with pytest.raises(UserError, match=r"prepare\.validation_fraction"):
        split(MANY, validation=validation, test=test)


def files(**splits: str) -> list[SourceFile]:
    return [
        SourceFile(file=f"{label}/{split}", path=f"{label}/{split}", label=label, split=split)
        for label, given in splits.items()
        for split in given.split(",")
    ]


def test_what_is_in_train_or_in_no_split_can_be_learned() -> None:
    refuse_unlearnable(files(a="train,test", b="train", c=",test", d=""))


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        ({"a": "train,test", "b": "test"}, "class b: 1 in test, none in train, so nothing can"),
        ({"a": "train", "b": "test,val,test"}, "class b: 1 in val and 2 in test, none in train"),
        ({"b": "test", "a": "val", "c": "train"}, r"class a: 1 in val, .*\(1 more classes are"),
    ],
)
def test_a_class_that_is_in_val_or_test_alone_says_so(splits: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        refuse_unlearnable(files(**splits))
