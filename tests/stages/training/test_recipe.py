"""Each parameter of `train` does something, and what its name says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from timm.layers import DropPath
from timm.utils import ModelEmaV3
from torch import nn

from server.errors import UserError
from stages.data.dataset import Dataset
from stages.network.network import Network, create
from stages.training.amp import MixedPrecision
from stages.training.build import build_learner
from stages.training.device import be_deterministic
from stages.training.distributed import ProcessGroup
from stages.training.learner import Batch, Learner
from stages.training.recipe import (
    Balance,
    Mix,
    Schedule,
    class_weights,
    draw_order,
    make_optimizer,
    make_schedule,
)
from stages.training.seeds import Seeds
from stages.training.suggestions import resolve
from tests.kit.stage import PARAMS, TINY, run_stage

CPU = torch.device("cpu")
LABELS = np.array([0] * 30 + [1] * 10)
BASE: dict[str, object] = {"epochs": 2, "architecture": "test_convnext", "dropout": 0.0}


def trained(folder: Path, **changes: object) -> bytes:
    """Return the weights that a short training comes to."""
    places = {"checkpoint": folder / "checkpoint", "curves": folder / "curves"}
    options = {**BASE, **changes}
    assert run_stage("train", **places, metrics=folder / "train.json", **options) == 0
    return (folder / "checkpoint/weights.safetensors").read_bytes()


@pytest.fixture(scope="module")
def base(built: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(built)
        return trained(tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean", [0.1, 0.2, 0.3]),
        ("std", 0.4),
        ("optimizer", "sgd"),
        ("accumulate", 2),
        ("layer_decay", 0.5),
        ("schedule", "constant"),
        ("schedule", "step"),
        ("warmup", 0.5),
        ("weight_decay", 0.5),
        ("label_smoothing", 0.3),
        ("balance", "sampling"),
        ("ema", 0.9),
        ("rotation", 20.0),
        ("scale", 0.5),
        ("color", 0.4),
        ("degrade", 0.5),
        ("erase", 0.5),
        ("auto", "randaugment"),
        ("auto", "trivialaugment"),
        ("batch_size", 16),
        ("seed", 1),
    ],
)
def test_a_parameter_changes_what_is_learned(
    workspace: Path, tmp_path: Path, base: bytes, name: str, value: object
) -> None:
    assert trained(tmp_path, **{name: value}) != base


def build(**changes: object) -> Learner:
    """Return the learner that `train` makes of options, on the prepared images."""
    options = {**PARAMS["train"], **TINY["train"], **BASE, **changes}
    train = Dataset.open(Path("data/prepared")).split("train")
    return build_learner(resolve(options, {}), train, ProcessGroup(CPU), Seeds(0), image_size=64)


def test_dropout_drops_its_share_of_the_features(workspace: Path) -> None:
    network = build(dropout=0.5).network.train()
    seen: list[torch.Tensor] = []
    network.body.head.drop.register_forward_hook(lambda *call: seen.append(call[-1]))
    network(torch.rand(64, 3, 32, 32))
    assert (seen[0] == 0).float().mean() == pytest.approx(0.5, abs=0.05)


def test_drop_path_rises_to_its_rate_in_the_last_block(workspace: Path) -> None:
    def rates(learner: Learner) -> list[float]:
        return [one.drop_prob for one in learner.network.modules() if isinstance(one, DropPath)]

    assert rates(build()) == []
    assert max(rates(build(drop_path=0.5))) == rates(build(drop_path=0.5))[-1] == 0.5


def test_frozen_layers_are_in_the_checkpoint_as_they_were(workspace: Path, tmp_path: Path) -> None:
    trained(tmp_path, freeze=1)
    after = load_file(tmp_path / "checkpoint/weights.safetensors")
    before = build().network.state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if name.startswith("body.stem.")} <= same
    assert not {name for name in same if name.startswith(("body.stages.", "body.head.fc"))}


def shown(one: Learner, images: torch.Tensor) -> torch.Tensor:
    """Return what `one` shows its network of `images` `[n, size, size]` of 0 or 1."""
    pixels = (images * 255).byte()[..., None].expand(-1, -1, -1, 3)
    return one.network.denormalise(one.augment(pixels))[..., 0] / 255


def corners(**changes: object) -> set[tuple[int, ...]]:
    """Return where the mark in the upper left corner of 64 images comes to lie."""
    images = torch.zeros(64, 64, 64)
    images[:, :8, :8] = 1
    marks = shown(build(**changes), images)[:, ::63, ::63] > 0.5
    return {tuple(mark.nonzero().flatten().tolist()) for mark in marks}


def test_images_are_mirrored_and_turned_as_they_are_told(workspace: Path) -> None:
    still = {"flip": "none", "turns": "none"}
    everywhere = {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert corners(**still) == {(0, 0)}
    assert corners(**still | {"flip": "horizontal"}) == {(0, 0), (0, 1)}
    assert corners(**still | {"flip": "both"}) == everywhere
    assert corners(**still | {"turns": "quarter"}) == everywhere


def test_rotation_turns_to_both_sides_and_no_further(workspace: Path) -> None:
    images = torch.zeros(64, 64, 64)
    images[:, 29:35, 32:] = 1  # a bar from the centre to the right
    turned = shown(build(flip="none", turns="none", rotation=20.0), images)
    axis = torch.arange(64.0) - 31.5
    angles = torch.rad2deg(
        torch.atan2((turned * axis[:, None]).sum((1, 2)), (turned * axis).sum((1, 2)))
    )
    assert angles.abs().max() < 21
    assert angles.min() < -15
    assert angles.max() > 15


def test_mixup_blends_images_and_cutmix_puts_pieces_into_them(workspace: Path) -> None:
    black, labels = torch.zeros(2, 3, 16, 16), torch.tensor([0, 1])
    black[1] = 1  # white
    np.random.seed(1)  # noqa: NPY002 - timm's Mixup draws from it
    blended, _ = build(mixup=1.0).mix(black.clone(), labels)
    assert len(blended[0].unique()) == 1
    assert 0 < blended[0, 0, 0, 0] < 1
    pieces, targets = build(cutmix=1.0, label_smoothing=0.0).mix(black.clone(), labels)
    assert pieces[0].unique().tolist() == [0, 1]
    assert targets[0, 1].item() == pytest.approx(pieces[0].mean().item())


def test_patience_ends_a_training_that_learns_nothing(workspace: Path, tmp_path: Path) -> None:
    trained(tmp_path, epochs=5, lr=0.0, patience=2)
    lines = (tmp_path / "curves/plots/metrics/validation/loss.tsv").read_text().splitlines()
    assert len(lines) == 1 + 3  # the first is the best, two more have the chance to be better


@pytest.mark.slow
def test_compiling_changes_no_result_beyond_rounding(workspace: Path, tmp_path: Path) -> None:
    small = {"architecture": "test_resnet", "epochs": 1, "lr": 0.001, "flip": "none"}
    plain = trained(tmp_path / "plain", **small)
    compiled = trained(tmp_path / "compiled", compile=True, **small)
    assert plain != compiled
    first, second = (
        load_file(tmp_path / name / "checkpoint/weights.safetensors")
        for name in ("plain", "compiled")
    )
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.allclose(tensor.float(), second[name].float(), atol=2e-3), name


def test_frozen_layers_and_what_their_norms_have_seen_stay() -> None:
    network = create("test_resnet", classes=2, weights="none")
    network.freeze(2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    nn.init.normal_(network.body.get_classifier().weight)
    network.train()
    network(torch.rand(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    changed = {
        name
        for name, tensor in network.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert not [
        name for name in changed if name.startswith(("body.conv1", "body.bn1", "body.layer1"))
    ]
    assert {"body.fc.weight", "body.layer2.0.bn1.running_mean"} <= changed


def test_layers_further_from_the_head_learn_slower() -> None:
    network = create("test_resnet", classes=2, weights="none")
    optimizer = make_optimizer(network, "sgd", lr=1.0, weight_decay=0.0, layer_decay=0.5)
    scales = {id(p): group["lr_scale"] for group in optimizer.param_groups for p in group["params"]}
    assert scales[id(network.body.fc.weight)] == 1
    assert scales[id(network.body.conv1[0].weight)] < 0.1


def rates(schedule: Schedule, warmup: float) -> list[float]:
    """Return the learning rate of each of 4 x 25 steps."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    made = make_schedule(optimizer, schedule, epochs=4, steps=25, warmup=warmup, lr=1.0)
    seen = []
    for step in range(100):
        made.step_update(step)
        seen.append(optimizer.param_groups[0]["lr"])
    return seen


def test_the_learning_rate_goes_as_it_is_told() -> None:
    cosine = rates(Schedule.COSINE, 0.1)
    assert cosine[0] == pytest.approx(0.01)
    assert cosine[10] == max(cosine) > 0.97
    assert cosine[50] == pytest.approx(0.5)
    assert cosine[-1] < 0.001
    assert set(rates(Schedule.CONSTANT, 0.0)) == {1.0}
    step = rates(Schedule.STEP, 0.0)
    assert [step[0], step[50], step[90]] == pytest.approx([1, 0.1, 0.01])


def test_rare_classes_weigh_more_or_come_more_often() -> None:
    weights = class_weights(LABELS, 2, Balance.LOSS, CPU)
    assert weights is not None
    assert weights.tolist() == pytest.approx([40 / 60, 40 / 20])
    assert class_weights(LABELS, 2, Balance.SAMPLING, CPU) is None
    rng = np.random.default_rng(0)
    plain = draw_order(LABELS, Balance.NONE, rng)
    assert sorted(plain) == list(range(40))
    many = np.concatenate([draw_order(LABELS, Balance.SAMPLING, rng) for _ in range(100)])
    assert LABELS[many].mean() == pytest.approx(0.5, abs=0.03)


def test_mixing_keeps_targets_probabilities() -> None:
    np.random.seed(0)  # noqa: NPY002 - timm's Mixup draws from it
    labels = torch.tensor([0, 1, 2, 0])
    images = torch.arange(4.0).view(4, 1, 1, 1).expand(4, 3, 8, 8).clone()
    plain = Mix(mixup=0, cutmix=0, label_smoothing=0.3, classes=3)
    same, targets = plain(images.clone(), labels)
    assert torch.equal(same, images)
    assert targets[1].tolist() == pytest.approx([0.1, 0.8, 0.1])
    blended, targets = Mix(mixup=1, cutmix=0, label_smoothing=0, classes=3)(images.clone(), labels)
    share = targets[0, 0].item() - 0.0
    assert targets.sum(dim=1).tolist() == pytest.approx([1] * 4)
    assert blended[1, 0, 0, 0].item() == pytest.approx(1 * targets[1, 1] + 2 * targets[1, 2])
    assert share == pytest.approx(1)  # the first and the last are of one class
    odd, _ = Mix(mixup=1, cutmix=1, label_smoothing=0, classes=3)(images[:3].clone(), labels[:3])
    assert torch.equal(odd, images[:3])


def learner(network: Network, **changes: object) -> Learner:
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    schedule = make_schedule(optimizer, Schedule.CONSTANT, epochs=1, steps=9, warmup=0, lr=0.1)
    return Learner(
        network=network,
        optimizer=optimizer,
        schedule=schedule,
        precision=MixedPrecision(CPU, amp=False),
        processes=ProcessGroup(CPU),
        augment=network.normalise,
        mix=Mix(mixup=0, cutmix=0, label_smoothing=0, classes=3),
        **changes,
    )


def test_two_batches_a_step_are_one_of_twice_the_size() -> None:
    be_deterministic()
    images = torch.randint(256, (6, 32, 32, 3), dtype=torch.uint8)
    labels = torch.tensor([0, 1, 2, 0, 1, 1])
    states = []
    for accumulate, sizes in ((1, [6]), (2, [4, 2])):
        torch.manual_seed(0)
        network = create("test_convnext", classes=3, weights="none")  # without batch norm
        one = learner(network, accumulate=accumulate)
        scores = one.learn(map(Batch, images.split(sizes), labels.split(sizes), sizes))
        assert (scores.images, scores.steps, one.step) == (6, 1, 1)
        states.append((scores.score("").loss, scores.gradient_norm(), network.state_dict()))
    assert states[0][0] == pytest.approx(states[1][0])
    assert states[0][1] == pytest.approx(states[1][1], rel=1e-4)
    for name, tensor in states[0][2].items():
        assert torch.allclose(tensor, states[1][2][name], atol=1e-6), name


def test_the_average_follows_the_weights() -> None:
    network = create("test_resnet", classes=3, weights="none")
    average = ModelEmaV3(network, decay=0.5)
    one = learner(network, average=average)
    batch = Batch(torch.zeros(3, 32, 32, 3, dtype=torch.uint8), torch.tensor([0, 0, 1]), 3)
    one.learn([batch])  # the first update takes the weights as they are
    before = network.body.fc.bias.clone()
    one.learn([batch])
    assert one.result is average.module
    expected = (before + network.body.fc.bias) / 2
    assert torch.allclose(one.result.body.fc.bias, expected)
    assert not torch.allclose(expected, before)


def test_a_batch_that_does_not_fit_names_step_and_cure() -> None:
    one = learner(create("test_resnet", classes=3, weights="none"))
    images = torch.zeros(1, 32, 32, 3, dtype=torch.uint8).expand(
        10**9, 32, 32, 3
    )  # 12 TB as floats
    labels = torch.zeros(1, dtype=torch.int64).expand(10**9)
    cure = (
        "step 1: a batch of 1,000,000,000 images does not fit into memory; lower train.batch_size"
    )
    with pytest.raises(UserError, match=cure):
        one.learn([Batch(images, labels, 10**9)])
