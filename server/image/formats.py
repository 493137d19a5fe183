"""The formats that are read: those of Pillow that people send, and HEIF where `pi_heif` is there.

HEIF (HEIC, ISO/IEC 23008-12) is what phones send; the extra `heif` brings its decoder. libheif
turns pictures upright by itself, by `irot` and `imir`, and of several takes the primary one.
"""

PILLOW = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")


def _heif() -> tuple[str, ...]:
    """Let Pillow open HEIF; without threads, since images are decoded on all cores already."""
    try:
        import pi_heif
    except ImportError:
        return ()
    # thumbnails, depth maps and such are never read
    ignored = dict.fromkeys(("thumbnails", "depth_images", "aux_images"), False)
    pi_heif.register_heif_opener(decode_threads=1, **ignored)
    return ("HEIF",)


FORMATS = PILLOW + _heif()
