"""Construction of a learner from the parameters of `train`."""

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from timm.utils import ModelEmaV3

from stages.augmentation.augmentation import Augmentation
from stages.augmentation.geometry import Flip, Turns
from stages.augmentation.policy import Auto
from stages.data.dataset import Split
from stages.network.matching import WeightsMatch
from stages.network.network import create
from stages.training import recipe
from stages.training.amp import MixedPrecision
from stages.training.distributed import ProcessGroup
from stages.training.learner import Learner
from stages.training.recipe import Balance, Mix, Schedule
from stages.training.seeds import Seeds


def build_learner(
    options: Mapping[str, Any],
    train: Split,
    processes: ProcessGroup,
    seeds: Seeds,
    *,
    image_size: int,
) -> Learner:
    """Return a learner that has taken no step yet, or raise `UserError`.

    options: the parameters of `train` by name, as `resolve` returns them.
    train: what it will learn from; its size decides the steps of an epoch, its labels the weights
    of the classes.
    image_size: side of the images that the network sees, in pixels.
    """
    o = SimpleNamespace(**options)
    classes = len(train.classes)
    network = create(
        o.architecture,
        classes=classes,
        weights=o.weights,
        image_size=image_size,
        weights_match=WeightsMatch(o.weights_match),
        mean=o.mean,
        std=o.std,
        dropout=o.dropout,
        drop_path=o.drop_path,
    )
    network.body = processes.sync_batch_norm(network.body)
    network.freeze(o.freeze)
    network.to(processes.device)
    optimizer = recipe.make_optimizer(
        network, o.optimizer, lr=o.lr, weight_decay=o.weight_decay, layer_decay=o.layer_decay
    )
    bounds = processes.batch_bounds(len(train), o.batch_size, least=processes.least_to_learn)
    steps = math.ceil(len(bounds) / o.accumulate)
    return Learner(
        network=network,
        optimizer=optimizer,
        schedule=recipe.make_schedule(
            optimizer, Schedule(o.schedule), epochs=o.epochs, steps=steps, warmup=o.warmup, lr=o.lr
        ),
        precision=MixedPrecision(processes.device, amp=o.amp),
        processes=processes,
        augment=Augmentation(
            network=network,
            size=image_size,
            flip=Flip(o.flip),
            quarter_turns=Turns(o.turns) is Turns.QUARTER,
            rotation=o.rotation,
            scale=o.scale,
            ratio=o.ratio,
            color=o.color,
            degrade=o.degrade,
            erase=o.erase,
            auto=Auto(o.auto),
            generator=seeds.augment,
        ),
        mix=Mix(mixup=o.mixup, cutmix=o.cutmix, label_smoothing=o.label_smoothing, classes=classes),
        class_weights=recipe.class_weights(
            train.labels, classes, Balance(o.balance), processes.device
        ),
        accumulate=o.accumulate,
        average=ModelEmaV3(network, decay=o.ema, use_warmup=True) if o.ema else None,
        compiled=o.compile,
    )
