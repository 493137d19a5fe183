import pytest

from stages.sources.split_names import doubtful_splits, no_class, split_of


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", ["train", "Train", "TRAINING", "trainset", "train_set", "Training Set", "trn"]),
        ("train", ["train-images", "TrainImages", "train_data", "training_split"]),
        ("val", ["val", "Valid", "VALIDATION", "dev", "dev-set", "validation_set", "valset"]),
        ("test", ["test", "Testing", "testset", "test_images", "holdout", "hold-out", "Held_Out"]),
        ("", ["", "eval", "train2", "bullet train", "test tube", "invalid", "validated", "latest"]),
        ("", ["trainer", "trains", "tester", "device", "developer", "audi", "0", "été", "test it"]),
    ],
)
def test_the_usual_spellings_are_known(split: str, names: list[str]) -> None:
    assert {name: split_of(name) for name in names} == dict.fromkeys(names, split)


@pytest.mark.parametrize(
    "names",
    [
        ["eval"],
        ["Evaluation"],
        ["train2"],
        ["test_stg1", "test_stg2"],
        ["train-clean-100"],
        ["train2017", "val2017"],
        ["seg_train", "seg_test"],
        ["cars_train", "cars_test"],
        ["mytrain", "mytest"],
        ["A_training", "A_validation"],
        ["test unlabelled"],
        ["trainval"],
        ["train_val"],
        ["trainA", "testA"],
    ],
)
def test_what_is_like_a_split_is_doubtful(names: list[str]) -> None:
    assert doubtful_splits([*names, "audi", "train"]) == sorted(names)


@pytest.mark.parametrize(
    "names",
    [
        ["train", "test", "val"],
        ["bullet train", "test tube", "freight car"],
        ["valid", "invalid"],
        ["valley", "talley", "alley"],
        ["retrain", "audi"],
        ["train station", "bus station"],
    ],
)
def test_names_of_splits_and_of_things_are_not_doubtful(names: list[str]) -> None:
    assert doubtful_splits(names) == []


def test_containers_parts_and_dates_are_no_classes() -> None:
    containers = [
        "images",
        "JPEGImages",
        "labels",
        "HAM_images_part_1",
        "fold3",
        "batch-02",
        "data",
    ]
    dates = [
        "2024-05-01",
        "20240501",
        "2024_05_01 evening",
        "100CANON",
        "DCIM",
        "unlabeled",
        "raw",
        "grayscale",
    ]
    assert [name for name in containers + dates if not no_class(name)] == []
    things = ["audi", "2019", "00012", "class_1", "label_0", "7", "image of a cat", "partly", "3d"]
    assert [name for name in things if no_class(name)] == []
