from typing import Any

import pytest

from stages.data.counts import class_rows, sentences


def counts(groups: tuple[int, ...] = (0, 0, 0, 0), **changes: Any) -> dict[str, Any]:
    names = ("images", "count", "largest", "straddling")
    of_groups = dict(zip(names, groups, strict=True))
    return {"groups": of_groups, "leaked": 0, "left_out": {}, "label_conflicts": 0, **changes}


STRADDLE = "of them are in more than one split"
KEPT = "with one of a later split: kept, so scores on that split are too good"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (counts(), []),
        (
            counts((1200, 300, 9, 0)),
            ["1,200 images belong to 300 groups, the largest of 9; no group is in two splits"],
        ),
        (
            counts((40, 20, 2, 20), leaked=20),
            [
                f"40 images belong to 20 groups, the largest of 2; 20 {STRADDLE}",
                f"20 images share their group {KEPT}",
            ],
        ),
        (
            counts(leaked=1, left_out={"leak": 1}, label_conflicts=1),
            [
                "1 image shares its group with one of a later split: left out",
                "1 pair looks alike under two labels",
            ],
        ),
        (
            counts((2, 1, 2, 1), leaked=1, left_out={"duplicate": 4}, label_conflicts=2),
            [
                "2 images belong to 1 group, the largest of 2; 1 of them is in more than one split",
                f"1 image shares its group {KEPT}",
                "2 pairs look alike under two labels",
            ],
        ),
        (
            counts(corrections={"relabelled": 3, "dropped": 1, "test": 2}),
            [
                "corrections: 3 images relabelled, 1 dropped",
                "2 corrections of test images: scores before and after are not of the same labels",
            ],
        ),
        (counts(corrections={"relabelled": 0, "dropped": 0, "test": 0}), []),
    ],
)
def test_what_is_said_is_what_was_counted(found: dict[str, Any], said: list[str]) -> None:
    assert list(sentences(found)) == said


@pytest.mark.parametrize("classes", [2, 40, 41, 1000])
def test_of_many_classes_those_with_fewest_images_are_shown_and_all_are_counted(
    classes: int,
) -> None:
    train = {f"class {number:04}": 1 + number * 7 % classes for number in range(classes)}
    found = {"train": train, "val": dict.fromkeys(train, 1), "test": dict.fromkeys(train, 2)}
    rows = list(class_rows(found))
    assert len(rows) == (classes if classes <= 40 else 21)
    columns = zip(*(numbers for _, _, numbers in rows), strict=True)
    assert [sum(column) for column in columns] == [sum(train.values()), classes, 2 * classes]
    if classes > 40:
        assert rows[0][2] == [1, 1, 2]
        assert rows[-1][:2] == (f"{classes - 20:,} others", False)
