import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from server.errors import UserError
from stages.data.dataset import Dataset
from stages.network.checkpoint import Checkpoint
from stages.training.distributed import ProcessGroup
from stages.training.dvclive_logs import DvcliveLogs
from stages.training.epoch import validate
from tests.kit.stage import run_stage


def train(folder: Path, **changes: object) -> int:
    places = {name: folder / name for name in ("checkpoint", "curves", "sheet")}
    return run_stage("train", **places, metrics=folder / "train.json", **changes)


def curve(folder: Path, name: str) -> list[float]:
    lines = (folder / f"plots/metrics/{name}.tsv").read_text().splitlines()
    return [float(line.split("\t")[1]) for line in lines[1:]]


def test_the_epoch_that_is_best_on_validation_is_kept(workspace: Path) -> None:
    curves = Path("plots/train")
    losses = curve(curves, "validation/loss")
    chosen = json.loads(Path("metrics/train.json").read_text())
    assert chosen["best_epoch"] == losses.index(min(losses)) + 1
    checkpoint = Path("data/checkpoint")
    network = Checkpoint.open(checkpoint).network(checkpoint)
    validation = Dataset.open(Path("data/prepared")).split("val")
    kept = validate(network, validation, ProcessGroup(torch.device("cpu")))
    assert kept.accuracy == pytest.approx(chosen["validation"]["accuracy"])
    assert kept.loss == pytest.approx(chosen["validation"]["loss"], rel=1e-4)


def test_curves_count_epochs_from_1(workspace: Path) -> None:
    for file in Path("plots/train").rglob("*.tsv"):
        steps = [line.split("\t")[0] for line in file.read_text().splitlines()]
        assert steps == ["step", "1", "2", "3"], file


def test_it_learns(workspace: Path) -> None:
    assert curve(Path("plots/train"), "train/loss")[-1] < 1.05  # chance is 1.0986
    assert curve(Path("plots/train"), "learning_rate")[-1] < 0.001


def test_timings_are_logged_apart_from_what_is_hashed(workspace: Path) -> None:
    hashed = {path.name for path in Path("plots/train").rglob("*.tsv")}
    assert hashed == {"loss.tsv", "accuracy.tsv", "learning_rate.tsv", "gradient_norm.tsv"}
    timings = json.loads(Path("data/timings/train/metrics.json").read_text())
    assert timings["images_per_second"] > 0
    assert timings["epoch_seconds"] > 0


def test_the_load_of_the_machine_is_logged_with_a_gpu_and_without(tmp_path: Path) -> None:
    with DvcliveLogs(tmp_path / "curves", tmp_path / "timings"):
        logged = tmp_path / "timings/plots/metrics/system/cpu/usage (%).tsv"
        for _ in range(100):
            if logged.exists():
                break
            time.sleep(0.1)
    assert len(logged.read_text().splitlines()) > 1
    assert not (tmp_path / "curves/plots/metrics").exists()


def test_equal_settings_give_equal_bytes_and_another_seed_does_not(
    workspace: Path, tmp_path: Path
) -> None:
    for name, changes in (("a", {}), ("b", {}), ("c", {"seed": 1})):
        assert train(tmp_path / name, epochs=1, rotation=10.0, **changes) == 0
    weights = [(tmp_path / name / "checkpoint/weights.safetensors").read_bytes() for name in "abc"]
    assert weights[0] == weights[1] != weights[2]


def test_the_sheet_shows_sixteen_images_and_four_draws_of_each(
    workspace: Path, tmp_path: Path
) -> None:
    def tiles(**changes: object) -> np.ndarray[Any, Any]:
        """Return the tiles, `[16, 5, 64, 64, 3]`: of 64 px, as the images are, and a seam of 2."""
        assert train(tmp_path, epochs=1, **changes) == 0
        with Image.open(tmp_path / "sheet") as sheet:
            pixels = np.asarray(sheet)
        heading, caption, gap, width, height = 28, 16, 12, 5 * 66, 66
        step = caption + height + gap
        assert pixels.shape == (heading + 8 * step + gap, 2 * (width + gap) + gap, 3)
        first = pixels[gap + heading + caption :, gap:]
        rows = [
            first[row * step :, column * (width + gap) :][:64, :width].reshape(64, 5, 66, 3)
            for row in range(8)
            for column in range(2)
        ]
        return np.stack(rows).transpose(0, 2, 1, 3, 4)[:, :, :, :64]

    train_images = Dataset.open(Path("data/prepared")).split("train").images
    known = {image.tobytes() for image in train_images.take(np.arange(len(train_images)))}
    still = tiles(flip="none", turns="none")
    assert {one.tobytes() for one in still[:, 0]} <= known
    assert len({one.tobytes() for one in still[:, 0]}) == 16
    assert np.abs(still[:, 1:].astype(int) - still[:, :1]).max() <= 1
    several = tiles(flip="none", turns="none", scale=0.5)
    assert (several[:, 0] == still[:, 0]).all()
    assert len({one.tobytes() for one in several.reshape(-1, 64, 64, 3)}) == 16 * 5


def test_auto_is_what_the_data_set_suggests_or_suits_photographs_and_both_are_said(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def taken(folder: Path, **changes: object) -> dict[str, Any]:
        assert train(folder, epochs=1, **changes) == 0
        return Checkpoint.open(folder / "checkpoint").parameters

    own = taken(tmp_path / "own", flip="auto", turns="auto")
    assert (own["flip"], own["turns"]) == ("horizontal", "none")
    said = capsys.readouterr().out
    assert "train: flip=horizontal, for auto: suits photographs\n" in said
    cells = Path(shutil.copytree("data/prepared", tmp_path / "cells"))
    card = json.loads((cells / "dataset.json").read_text())
    assert card["suggestions"] == {}
    card["suggestions"] = {"flip": "both", "turns": "quarter"}
    (cells / "dataset.json").write_text(json.dumps(card))
    suggested = taken(tmp_path / "suggested", prepared=cells, flip="auto", turns="none")
    assert (suggested["flip"], suggested["turns"]) == ("both", "none")
    said = capsys.readouterr().out
    assert "train: flip=both, for auto: the data set suggests it\n" in said
    assert "turns=" not in said


def test_the_checkpoint_says_what_it_is(workspace: Path) -> None:
    card = Checkpoint.open(Path("data/checkpoint"))
    assert card.architecture == "test_resnet"
    assert card.classes == ["disc", "frame", "stripes"]
    assert card.parameters["lr"] == 0.01
    assert card.data_hash == Dataset.open(Path("data/prepared")).card.data_hash
    tensors = load_file("data/checkpoint/weights.safetensors")
    assert tensors["mean"].shape == (1, 3, 1, 1)


def test_the_card_of_another_version_is_one_line(workspace: Path, tmp_path: Path) -> None:
    card = json.loads(Path("data/checkpoint/checkpoint.json").read_text())
    del card["image_size"]
    (tmp_path / "checkpoint.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match=r"not as this version writes it; run `dvc repro train`"):
        Checkpoint.open(tmp_path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"architecture": "resnet8"}, "train.architecture=resnet8: timm has no such model"),
        ({"weights": "packaged"}, "train.weights=packaged"),
        ({"weights": "magic"}, "train.weights=magic: no such file, nor one of packaged, hub, none"),
        ({"optimizer": "adamx"}, "train.optimizer=adamx: timm has no such optimizer; try adam"),
        ({"drop_path": 0.1, "architecture": "vgg11"}, "train.drop_path: vgg11 has none"),
        ({"freeze": 6}, "train.freeze=6: this network has 6 groups of layers"),
        ({"lr": "fast"}, "--lr"),
        ({"lr": 1e30}, "train: the loss is no number in step 3; lower train.lr"),
        (
            {"lr": 1e30, "batch_size": 64, "epochs": 1},  # one step, so no loss after it
            "train: the loss on validation after epoch 1 is no number; lower train.lr",
        ),
        ({"weight_decay": "inf"}, "--weight_decay=inf: must be a finite number"),
        ({"mixup": "nan"}, "--mixup"),
        ({"batch_size": 1}, "--batch-size"),
        ({"device": "mps"}, "train.device=mps: torch finds none on this machine"),
        ({"prepared": "nowhere"}, "nowhere/dataset.json: not there; run `dvc repro prepare`"),
    ],
)
def test_a_mistake_is_one_line_and_no_checkpoint(
    workspace: Path,
    tmp_path: Path,
    changes: dict[str, object],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train(tmp_path, **changes) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    assert complaint in printed
    assert not (tmp_path / "checkpoint").exists()
    assert not (tmp_path / "train.json").exists()


def test_one_image_more_than_whole_batches_is_learned_from(
    workspace: Path, photographs: Path, tmp_path: Path
) -> None:
    prepared = tmp_path / "prepared"
    places = {"prepared": prepared, "metrics": tmp_path / "prepare.json"}
    places |= {name: tmp_path / name for name in ("sheet", "conflicts", "plots")}
    assert run_stage("prepare", source=photographs, image_size=32, **places) == 0
    images = len(Dataset.open(prepared).split("train"))
    for batch in (images - 1, (images - 1) // 2):  # the last maps of 32 px are single pixels
        assert train(tmp_path, prepared=prepared, epochs=1, batch_size=batch) == 0


def test_what_is_stored_larger_is_learned_from_at_the_size_of_the_network(
    workspace: Path, photographs: Path, tmp_path: Path
) -> None:
    prepared = tmp_path / "prepared"
    places = {"prepared": prepared, "metrics": tmp_path / "prepare.json"}
    places |= {name: tmp_path / name for name in ("sheet", "conflicts", "plots")}
    assert run_stage("prepare", source=photographs, store=1.5, **places) == 0
    assert train(tmp_path / "larger", prepared=prepared, epochs=1, scale=0.5) == 0
    assert train(tmp_path / "usual", epochs=1, scale=0.5) == 0
    larger, usual = (
        Checkpoint.open(tmp_path / name / "checkpoint") for name in ("larger", "usual")
    )
    assert larger.image_size == usual.image_size == 64
    assert larger.data_hash != usual.data_hash
    losses = [
        json.loads((tmp_path / name / "train.json").read_text())["train"]["loss"]
        for name in ("larger", "usual")
    ]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], abs=0.1)


def test_weights_without_proof_are_warned_of_in_terminal_and_card(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = load_file("data/checkpoint/weights.safetensors")
    body = [one for name, one in kept.items() if name.startswith("body.")]
    own = Checkpoint.open(Path("data/checkpoint")).network(Path("data/checkpoint"))
    assert len(own.body.state_dict()) == len(body)
    ordered = {f"t{n}": kept[f"body.{name}"] for n, name in enumerate(own.body.state_dict())}
    torch.save({"model_ema": ordered, "epoch": 3}, tmp_path / "other.pth")
    options = {"weights": tmp_path / "other.pth", "epochs": 1}
    assert train(tmp_path, **options) == 2
    assert "set train.weights_match=order if" in capsys.readouterr().err
    assert train(tmp_path, weights_match="order", **options) == 0
    said = capsys.readouterr().out
    assert "train: starts from model_ema in " in said
    assert "train: warning: " in said
    places = {name: tmp_path / name for name in ("metrics", "model")}
    exported = {"checkpoint": tmp_path / "checkpoint", "reference": tmp_path / "reference"}
    assert run_stage("export", **places, **exported) == 0
    evaluated = {name: tmp_path / name for name in ("details", "card", "plots", "mistakes")}
    assert run_stage("evaluate", **places, **evaluated) == 0
    card = (tmp_path / "card").read_text()
    assert "other.pth`, matched by order and shapes alone, which does not prove" in card


def test_the_page_to_watch_a_run_by_is_there_and_anew(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert train(tmp_path, prepared=workspace / "data/prepared") == 0
    page = Path("data/timings/train/report.html").read_text()
    for name in ("train/loss", "validation/accuracy", "gradient_norm", "images_per_second"):
        assert name.rpartition("/")[2] in page
    assert all(norm > 0 for norm in curve(tmp_path / "curves", "gradient_norm"))
