"""The formats that are read: those of Pillow that people send, and HEIF where `pi_heif` is there.

AVIF is decoded by libavif and dav1d, which Pillow's wheels bring; a build of Pillow may lack them.

HEIF (HEIC, ISO/IEC 23008-12) is what phones send; the extra `heif` brings its decoder. libheif
turns pictures upright by itself, by `irot` and `imir`, and of several takes the primary one.
"""

from PIL import AvifImagePlugin, features

PILLOW = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
JPEGS = ("JPEG", "MPO")  # as Pillow calls one, and one that more pictures follow


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


def _avif() -> tuple[str, ...]:
    """Let Pillow decode AVIF on one core, as all else."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    return ("AVIF",) if features.check("avif") else ()


FORMATS = PILLOW + _heif()
AVIF = _avif()  # apart: a file of brand `mif1` may be either, and its brands tell which
