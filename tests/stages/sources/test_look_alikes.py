"""Names that are the same become one; names that look the same are refused."""

import pytest

from server.errors import UserError
from stages.sources.look_alikes import normalise
from stages.sources.source_file import SourceFile


def files(*labels: str, slices: tuple[str, ...] = ()) -> list[SourceFile]:
    named = slices or ("",) * len(labels)
    return [
        SourceFile(file=f"cars/{number}", path=str(number), label=label, slice=where)
        for number, (label, where) in enumerate(zip(labels, named, strict=True))
    ]


@pytest.mark.parametrize(
    ("labels", "one"),
    [
        (("é", "e\u0301"), "é"),
        (("cat", "cat ", " cat", "\u00a0cat"), "cat"),
        (("Å", "A\u030a", "\u212b"), "Å"),
        (("\u1100\u1161", "\uac00"), "\uac00"),
        (("e\u0301 ", "é"), "é"),
    ],
)
def test_what_is_surely_the_same_becomes_one(labels: tuple[str, ...], one: str) -> None:
    assert {file.label for file in normalise(files(*labels))} == {one}


def test_groups_and_slices_become_one_too() -> None:
    given = SourceFile(file="f", path="f", label="a", slice=" n", group="e\u0301 ")
    [file] = normalise([given])
    assert (file.slice, file.group) == ("n", "é")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Cat", "cat"),
        ("Straße", "STRASSE"),
        ("1", "1.0"),
        ("7", "007"),
        ("0.5", "0.50"),
        ("-1", "-1.0"),
        ("10", "+10."),
        ("Tata Safari", "Tata_Safari"),
        ("Tata Safari", "tata-safari"),
        ("two words", "two  words"),
        ("a-b", "a\u2013b"),
        ("cat", "\u0441\u0430t"),
        ("ab", "a\u200db"),
        ("A1", "\uff21\uff11"),
        ("fish", "\ufb01sh"),
        ("driver's", "driver\u2019s"),
        ("x\u00a0y", "x y"),
    ],
)
def test_what_looks_the_same_is_refused_by_both_names(first: str, second: str) -> None:
    with pytest.raises(UserError, match="look the same") as refusal:
        normalise(files("other", first, second))
    for name, file in ((first, "cars/1"), (second, "cars/2")):
        assert name in str(refusal.value)
        assert file in str(refusal.value)


def test_what_cannot_be_told_apart_is_shown_by_its_letters() -> None:
    with pytest.raises(UserError, match=r"classes cat and \S+ \(\\u0441\\u0430t\) look"):
        normalise(files("cat", "\u0441\u0430t"))


def test_slices_that_look_the_same_are_refused() -> None:
    with pytest.raises(UserError, match="slices North and north look the same"):
        normalise(files("a", "b", slices=("north", "North")))


@pytest.mark.parametrize(
    "labels",
    [
        ("1", "-1", "10", "100", "0.1"),
        ("resume", "résumé"),
        ("c", "c++", "c#"),
        ("\u03b1", "\u03b2"),
        ("1" * 40 + "1", "1" * 40 + "2"),
        ("nan", "none", "null", "0"),
        ("0.5", "0.6", "0.05", "0.56", "-0.5", "5", "50"),
        ("1/3", "2/3", "1-3", "1.2.3"),
        ("a b", "ab"),
        ("v1.2", "v1.20"),
    ],
)
def test_what_differs_stays_apart(labels: tuple[str, ...]) -> None:
    assert [file.label for file in normalise(files(*labels))] == list(labels)
