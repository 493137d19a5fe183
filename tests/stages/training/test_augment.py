import torch

from stages.training.augment import Flip, augment


def turned(
    *, flip: Flip = Flip.NONE, quarter_turns: bool = False, rotation: float = 0
) -> list[bytes]:
    """Augment one asymmetric image 64 times and return the different results."""
    image = torch.arange(3 * 4 * 4, dtype=torch.float32).view(1, 3, 4, 4).expand(64, 3, 4, 4)
    random = torch.Generator().manual_seed(0)
    images = augment(
        image, flip=flip, quarter_turns=quarter_turns, rotation=rotation, generator=random
    )
    assert images.shape == (64, 3, 4, 4)
    assert images.is_contiguous(memory_format=torch.channels_last)
    return sorted({image.round().to(torch.int8).contiguous().numpy().tobytes() for image in images})


def known(*images: torch.Tensor) -> list[bytes]:
    return sorted(image.to(torch.int8).contiguous().numpy().tobytes() for image in images)


IMAGE = torch.arange(3 * 4 * 4, dtype=torch.float32).view(3, 4, 4)


def test_without_augmentation_an_image_stays_what_it_is() -> None:
    assert turned() == known(IMAGE)


def test_horizontal_flips_mirror_left_and_right_only() -> None:
    assert turned(flip=Flip.HORIZONTAL) == known(IMAGE, IMAGE.flip(2))


def test_both_flips_give_four_images() -> None:
    mirrored = (IMAGE, IMAGE.flip(2), IMAGE.flip(1), IMAGE.flip(1, 2))
    assert turned(flip=Flip.BOTH) == known(*mirrored)


def test_quarter_turns_give_four_images_and_with_flips_eight() -> None:
    turns = [IMAGE.rot90(count, (1, 2)) for count in range(4)]
    assert turned(quarter_turns=True) == known(*turns)
    everything = turned(flip=Flip.BOTH, quarter_turns=True)
    assert everything == known(*turns, *(turn.flip(2) for turn in turns))


def test_rotation_turns_each_image_a_little() -> None:
    images = torch.rand(1, 3, 16, 16).expand(64, 3, 16, 16)
    random = torch.Generator().manual_seed(0)
    rotated = augment(images, flip=Flip.NONE, quarter_turns=False, rotation=5, generator=random)
    assert len({image.numpy().tobytes() for image in rotated}) == 64
    assert 0 < (rotated - images).abs().mean() < 0.2
