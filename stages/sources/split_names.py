"""Names of folders and of rows that mean a split, and names that mean no class."""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise


def _set(names: str) -> frozenset[str]:
    return frozenset(names.split())


SPELLINGS = {
    "train": _set("train training trn"),
    "val": _set("val valid validation dev devel development"),
    "test": _set("test testing tst holdout heldout"),
}
SPLIT_NAMES = {name: split for split, names in SPELLINGS.items() for name in sorted(names)}
UNCERTAIN = _set("eval evaluation trainval")  # some call val so, some test, or two of them
# words that may follow the name of a split, and leave it one
SUFFIXES = _set("set data split image images img imgs")
# words that make it another: more of the same, or a part of it
PARTS = _set(
    "batch clean extra fold full labeled labelled noisy part small stage stg subset unlabeled "
    "unlabelled v"
)
# what a folder is called that holds all images, in one form or another, or what is said of them
CONTAINERS = _set(
    "annotation annotations archive attributes augmented bbox bboxes color colour cropped csv data "
    "dataset devkit full grayscale greyscale groundtruth gt image images imagesets img imgs info "
    "jpegimages jpg json label labels mask masks meta metadata original originals photo photos "
    "picture pictures pics png processed raw resized segmentation segmentationclass "
    "segmentationobject segmented thumbnails thumbs txt xml"
)
# and that, with a number behind it, holds a part of them
NUMBERED = _set(
    "batch chunk data dataset fold folder image images img imgs part photos pictures session set "
    "shard split subset"
)
UNLABELLED = _set(
    "inference labeled labelled pred predict prediction predictions submission unlabeled "
    "unlabelled unsup unsupervised"
)
DATE = re.compile(r"(19|20)\d\d[-_.]?(0[1-9]|1[0-2])[-_.]?([0-2]\d|3[01])([-_T ].*)?")
CAMERA = re.compile(r"\d{3}[A-Z][A-Z0-9_]{4}|DCIM")


def words(name: str) -> list[str]:
    """Return the words and numbers of a name in small letters: of `TrainSet_2` train, set, 2."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return [part for word in re.findall(r"[^\W\d_]+|\d+", apart.lower()) for part in _apart(word)]


def split_of(name: str) -> str:
    """Return `train`, `val` or `test` for their usual spellings in any letter case, else ''.

    `Training`, `test set`, `val-images`, `hold_out` and `traindata` are such.
    """
    parts = words(name)
    if parts[:2] in (["hold", "out"], ["held", "out"]):
        parts = ["holdout", *parts[2:]]
    return SPLIT_NAMES.get(parts[0], "") if parts and set(parts[1:]) <= SUFFIXES else ""


def split_of_shard(name: str) -> str | None:
    """Return the split that a shard's name has a word of, '' where none, None where that is unsure.

    `train-00000-of-00004.parquet` and `cars-train-000.tar` have one, `train-test.tar` is unsure.
    """
    found = [word for word in words(name.rpartition(".")[0]) if word in {*SPLIT_NAMES, *UNCERTAIN}]
    if len(found) > 1 or not UNCERTAIN.isdisjoint(found):
        return None
    return SPLIT_NAMES[found[0]] if found else ""


def doubtful_splits(names: Iterable[str]) -> list[str]:
    """Return the names that speak of a split, but not surely of which, or not alone.

    Such are `eval`, `train2`, `test_stg1`, and `seg_train` beside `seg_test`.
    """
    doubtful, rests = set(), defaultdict[str, dict[str, str]](dict)
    for name in names:
        if split_of(name):
            continue
        first, *rest = words(name) or [""]
        if first in {*SPLIT_NAMES, *UNCERTAIN} and all(
            word.isdigit() or word in SUFFIXES | PARTS | SPLIT_NAMES.keys() for word in rest
        ):
            doubtful.add(name)
        for spelling, split in SPLIT_NAMES.items():
            if spelling in name.lower():
                rests[name.lower().replace(spelling, "/")][split] = name
    for found in rests.values():
        if len(found) > 1:
            doubtful.update(found.values())
    return sorted(doubtful)


def no_class(name: str) -> bool:
    """Whether a name is no class if its neighbours are none either: `images`, `part_2`, a date."""
    if DATE.fullmatch(name) or CAMERA.fullmatch(name):
        return True
    parts = words(name)
    numbered = any(word in NUMBERED and number.isdigit() for word, number in pairwise(parts))
    return "".join(parts) in CONTAINERS | UNLABELLED or numbered


def _apart(word: str) -> list[str]:
    """Return `trainset` as two words."""
    for first in (*SPLIT_NAMES, *UNCERTAIN):
        if word.startswith(first) and word[len(first) :] in SUFFIXES:
            return [first, word[len(first) :]]
    return [word]
