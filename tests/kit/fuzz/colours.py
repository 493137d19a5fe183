"""Colour profiles: tables, curves and elements of all sizes, and damaged ones, in pictures."""

import io
import random

from PIL import Image

from tests.kit import profiles
from tests.kit.fuzz.draws import Drawn, log_uniform

SPACES = {"RGB": b"RGB ", "L": b"GRAY", "CMYK": b"CMYK"}
CHANNELS = {"RGB": 3, "L": 1, "CMYK": 4}
LARGEST = 4_500_000  # bytes
TABLES = (b"A2B0", b"A2B1", b"A2B2")
CURVES = (b"rTRC", b"gTRC", b"bTRC", b"kTRC")


def _curve(rng: random.Random) -> bytes:
    points = log_uniform(rng, 2, 60_000) * (rng.random() < 0.7)
    if rng.random() < 0.2:
        return profiles.srgb_curve()
    return profiles.gamma(rng.choice((0.1, 1, 1.8, 2.2, 100)), points=points)


def _table(rng: random.Random, mode: str) -> bytes:
    wide, channels = rng.random() < 0.5, CHANNELS[mode]
    most = (200_000 / (6 if wide else 3)) ** (1 / channels)
    return profiles.table(channels, log_uniform(rng, 1, min(255, most)), wide=wide)


def _profile(rng: random.Random, mode: str) -> bytes:
    tags = [(name, _curve(rng)) for name in CURVES if rng.random() < 0.9]
    tags += [
        (name, profiles.xyz(column))
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), profiles.DISPLAY_P3, strict=True)
    ]
    if mode == "CMYK" or rng.random() < 0.4:
        tags += [(name, _table(rng, mode)) for name in TABLES if rng.random() < 0.7]
    if rng.random() < 0.3:
        tags.append(profiles.floats(log_uniform(rng, 1, 20_000)))
    tags += [(b"none", b"text")] * (log_uniform(rng, 1, 200) * (rng.random() < 0.3))
    rng.shuffle(tags)
    return profiles.build(
        *tags,
        space=rng.choice((SPACES[mode],) * 9 + (b"Lab ",)),
        kind=rng.choice((b"mntr", b"scnr", b"prtr", b"spac", b"link", b"nmcl")),
        connection=rng.choice((b"XYZ ", b"Lab ")),
    )


def profiled(rng: random.Random) -> Drawn:
    mode = rng.choice(tuple(SPACES))
    held = bytearray(_profile(rng, mode))
    changes = log_uniform(rng, 1, 40) * (rng.random() < 0.6)
    for _ in range(changes):  # most of them where numbers say how much there is
        place = rng.randrange(min(len(held), rng.choice((200, 2_000, LARGEST))))
        held[place] = rng.choice((0, 1, 127, 255, rng.randrange(256)))
    if rng.random() < 0.1:
        held += bytes(log_uniform(rng, 1, LARGEST))
    form = rng.choice(("JPEG", "TIFF", "PNG", "WEBP") if mode == "RGB" else ("JPEG", "TIFF"))
    side = log_uniform(rng, 1, 3_000)
    file = io.BytesIO()
    Image.new(mode, (side, side), 77).save(file, form, icc_profile=bytes(held))
    return f"{form} {mode} {side}x{side} {len(held)} bytes, {changes} changed", file.getvalue()
