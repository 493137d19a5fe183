"""Whether an image may be decoded: what its header says against the limits."""

from server.errors import ImageTooLarge
from server.image import limits
from server.image.cost import Cost

FEW = 500_000  # pixels; a limit below says nothing to whoever made the file


def check(cost: Cost, data: bytes, size: tuple[int, int], max_pixels: int) -> None:
    """Raise `ImageTooLarge`, which names the limit or what is too much, where an image is that."""
    (width, height), side = size, limits.MAX_SIDE
    pixels = width * height
    if pixels > max_pixels:
        raise ImageTooLarge(f"{width} x {height} pixels, over the limit of {max_pixels:,}")
    if max(size) > side:
        raise ImageTooLarge(f"{width} x {height} pixels, over the limit of {side:,} a side")
    memory, work = cost.bytes / limits.MAX_BYTES, cost.nanoseconds / limits.MAX_NANOSECONDS
    limit = int(pixels / max(memory, work, 1))
    if limit < pixels and limit < FEW:
        much = "long" if work > memory else "much memory"
        what = f"{len(data):,} bytes of {cost.kind}"
        raise ImageTooLarge(f"its {what} take too {much} to decode; save it again as JPEG")
    if limit < pixels:
        what = f"{limit:,} for {cost.kind}; save it smaller"
        raise ImageTooLarge(f"{width} x {height} pixels, over the limit of {what}")
