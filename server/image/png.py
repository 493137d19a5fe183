"""The transparent colour of a PNG (chunk tRNS), which Pillow compares with samples of 8 bits."""

from PIL.ImageFile import ImageFile

from server.errors import ImageError

SCALES = {"L;2": 85, "L;4": 17}  # from gray of 2 and 4 bits to 8


def scale_transparent(source: ImageFile) -> None:
    """Scale the transparent gray of a PNG as Pillow scales its samples; refuse one of 16 bits."""
    clear = source.info.get("transparency")
    if clear is None or source.format != "PNG" or not source.tile:
        return
    samples = str(source.tile[0].args)
    if samples.endswith(";16B"):
        what = "a PNG of 16 bits with a transparent colour, which is not read"
        raise ImageError(f"{what}; save it with an alpha channel")
    if samples in SCALES:
        source.info["transparency"] = SCALES[samples] * clear
