"""Builders of colour profiles (ICC.1), byte by byte: of displays, gray, presses, and odd ones."""

import struct

Tag = tuple[bytes, bytes]

WHITE = (0.9642, 1.0, 0.8249)  # of D50, where profiles connect
# columns of red, green and blue, adapted to D50
SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))


def fixed(number: float) -> bytes:
    """Return a number as s15Fixed16."""
    return struct.pack(">i", round(number * 65536))


def xyz(numbers: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(fixed, numbers))


def gamma(exponent: float, *, points: int = 0) -> bytes:
    """Return a curve: an exponent, or a table of it."""
    if not points:
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256))
    table = (round(65535 * (at / (points - 1)) ** exponent) for at in range(points))
    return b"curv\0\0\0\0" + struct.pack(f">I{points}H", points, *table)


def srgb_curve() -> bytes:
    """Return the curve of IEC 61966-2-1, by its parameters."""
    parameters = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return b"para\0\0\0\0\0\3\0\0" + b"".join(map(fixed, parameters))


def build(
    *tags: Tag, space: bytes = b"RGB ", kind: bytes = b"mntr", connection: bytes = b"XYZ "
) -> bytes:
    """Return a profile of version 4 that holds these tags, and the white point."""
    every = [(b"wtpt", xyz(WHITE)), *tags]
    place = 132 + 12 * len(every)
    table, body = struct.pack(">I", len(every)), b""
    for name, content in every:
        table += name + struct.pack(">II", place + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", place + len(body), b"test", 0x04200000, kind, space, connection
    )
    head = (head + struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp").ljust(68, b"\0")
    head += b"".join(map(fixed, WHITE))
    return head.ljust(128, b"\0") + table + body


def rgb(
    columns: tuple[tuple[float, float, float], ...] = DISPLAY_P3, curve: bytes = b"", *more: Tag
) -> bytes:
    """Return the profile of a display."""
    curve = curve or srgb_curve()
    names = (b"rXYZ", b"gXYZ", b"bXYZ")
    colours = [(name, xyz(column)) for name, column in zip(names, columns, strict=True)]
    return build(*colours, *((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")), *more)


def gray(curve: bytes) -> bytes:
    return build((b"kTRC", curve), space=b"GRAY")


def table(inputs: int, grid: int, *, seed: int = 1, wide: bool = False) -> bytes:
    """Return a table from `inputs` channels to Lab, of `grid` points each; the more, the darker."""
    outputs, points = 3, grid**inputs
    letter, most = ("H", 65535) if wide else ("B", 255)
    cells = bytearray()
    for at in range(points):
        light = 1.0
        for channel in range(inputs):
            light *= 1 - 0.8 * (at // grid**channel % grid) / max(1, grid - 1)
        values = (light, 0.5 + 0.2 * (at % 7 - 3) / 7, 0.5 + 0.2 * (at * seed % 5 - 2) / 5)
        cells += struct.pack(f">3{letter}", *(round(most * value) for value in values))
    unit = b"".join(fixed(float(row == column)) for row in range(3) for column in range(3))
    head = (b"mft2" if wide else b"mft1") + bytes(4) + bytes((inputs, outputs, grid, 0)) + unit
    ramp = struct.pack(">2H", 0, 65535) if wide else bytes(range(256))
    sizes = struct.pack(">2H", 2, 2) if wide else b""
    return head + sizes + ramp * inputs + bytes(cells) + ramp * outputs


def press(grid: int = 5, *, wide: bool = False) -> bytes:
    """Return the profile of a press: CMYK by a table of `grid` points a channel."""
    tags = (b"A2B0", table(4, grid, wide=wide)), (b"A2B1", table(4, grid, wide=wide))
    return build(*tags, space=b"CMYK", kind=b"prtr", connection=b"Lab ")


def floats(elements: int) -> Tag:
    """Return a tag of so many floating-point elements, each a matrix that changes next to nothing.

    All are at one place, and LittleCMS goes through them at each point that it samples.
    """
    matrix = [(row == column) * 1.0001 for row in range(3) for column in range(3)]
    content = b"matf\0\0\0\0" + struct.pack(">HH12f", 3, 3, *matrix, 1e-5, 0, 0)
    entry = struct.pack(">II", 16 + 8 * elements, len(content))
    head = b"mpet\0\0\0\0" + struct.pack(">HHI", 3, 3, elements)
    return b"D2B1", head + entry * elements + content
