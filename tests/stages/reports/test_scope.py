"""What a comparison covers, said before the verdict."""

import pandas as pd

from stages.reports.answers import Answers, Pairs
from stages.reports.scope import compared_images, scope_sentences


def answers(
    *rows: tuple[str, str, str], classes: str, abstain: bool | None = False, answered: float = 1
) -> Answers:
    """Answers to images `(name, actual, predicted)` of classes with names of one letter."""
    table = pd.DataFrame(rows, columns=["image", "actual", "predicted"])
    if abstain is not None:
        table["abstain"] = abstain
    return Answers(table, list(classes), answered)


OLD = answers(("1", "a", "a"), ("2", "b", "a"), ("3", "b", "b"), classes="ab")


def said(before: Answers, after: Answers) -> list[str]:
    return list(scope_sentences(Pairs(before, after)))


def test_of_equal_classes_images_and_coverage_nothing_is_said() -> None:
    assert said(OLD, OLD) == []
    assert compared_images(Pairs(OLD, OLD)) == "all 3 test images"


def test_added_classes_come_first_with_what_becomes_of_their_images() -> None:
    new = answers(
        *(("1", "a", "a"), ("2", "b", "b"), ("3", "b", "b")),
        *(("4", "c", "a"), ("5", "c", "b"), ("6", "d", "d")),
        classes="abcde",
        abstain=True,
        answered=0,
    )
    classes, coverage, images = said(OLD, new)
    assert classes == (
        "**3 classes added** (`c`, `d`, `e`): right on 1 of their 3 test images, abstains on all; "
        "1 of them never recognised."
    )
    assert coverage == "**The model abstains on every test image; before, it answered 100.0%.**"
    assert images == (
        "New test images: 3 (accuracy 0.333). **Accuracy over all, on each side's own images: "
        "0.667 before, 0.667 after.**"
    )
    assert compared_images(Pairs(OLD, new)) == "the 3 of 6 test images that both know"


def test_a_class_without_test_images_and_one_that_is_gone_are_said() -> None:
    new = answers(("1", "a", "a"), classes="ac")
    added, removed, images = said(OLD, new)
    assert added == "**1 class added** (`c`): no test image shows them."
    assert removed == "**1 class removed** (`b`), which had 2 test images."
    assert images.startswith("Gone: 2 (accuracy before 0.500).")


def test_many_names_are_cut_and_none_is_markup() -> None:
    before, after = answers(classes=""), answers(classes="")
    names = [f"<b>{number:02}" for number in range(30)]
    [added] = said(before, Answers(after.rows, [*names, "x" * 255], 1))
    assert added.startswith("**31 classes added** (`<b>00`, ")
    assert "`<b>05` and 25 more" in added


def test_a_small_change_of_coverage_is_not_said_and_a_large_one_is() -> None:
    def sides(before: float, after: float) -> list[str]:
        return said(Answers(OLD.rows, OLD.classes, before), Answers(OLD.rows, OLD.classes, after))

    assert sides(0.8, 0.78) == []
    [fallen] = sides(0.8, 0.6)
    assert fallen == (
        "**The model answers 60.0% of its test images and abstains on the others; before, it "
        "answered 80.0%.**"
    )
    [risen] = sides(0, 0.01)
    assert risen.endswith("before, it abstained on all.**")


def test_a_new_label_is_no_changed_answer() -> None:
    new = answers(("1", "b", "a"), ("2", "b", "a"), ("3", "b", "b"), classes="ab")
    [images] = said(OLD, new)
    assert images.startswith("Under another label: 1, so scores before and after are not of the")
    assert compared_images(Pairs(OLD, new)) == "the 2 of 3 test images that both know"
