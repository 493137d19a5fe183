"""WebDataset: tars in which an image and its label are members that share a key.

cat/000017.jpg    the image; the key is what stands before the first dot of its name
cat/000017.cls    its label as text: .cls, .txt, or .json with a field `label`, `class` ...

https://github.com/webdataset/webdataset
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from tarfile import TarInfo
from typing import Any, BinaryIO

from server.errors import UserError
from stages.sources.columns import OF_IMAGE, find_columns
from stages.sources.member import File, Kind, Member
from stages.sources.names import ELSEWHERE, check_path, strays
from stages.sources.source_file import SourceFile
from stages.sources.tar import entries
from stages.sources.tree import visible

# `.img` may be any of them: stages.pack calls a file so whose name has no such end
JPEGS, TIFFS, HEIFS = ("jfif", "jpeg", "jpg"), ("tif", "tiff"), ("avif", "heic", "heif")
IMAGES = (*JPEGS, *TIFFS, *HEIFS, "bmp", "gif", "img", "png", "webp")
LABELS = ("cls", "json", "txt")  # the first that names a class is taken
MAX_LABEL = 2**20  # bytes
Said = dict[str, str]  # label, slice and group of an image, as far as they are told


def shard_images(shard: File, path: str, split: str, *, labelled: bool) -> Iterator[SourceFile]:
    """Yield the images of a shard, and with a reason what else is in it but labels.

    path: of the shard, before the names of its members. labelled: whether labels are read; an image
    without one has none. Raises `UserError` for a shard or label that cannot be used.
    """
    images: dict[str, Member] = {}
    labels: dict[str, dict[str, Said]] = defaultdict(dict)
    for member, entry, opened in _members(shard):
        key, end = _key(member.name)
        if reason := _problem(entry, member.name, end):
            yield SourceFile(file=member, path=f"{path}/{member.name}", reason=reason)
        elif end in IMAGES:
            if key in images:
                raise UserError(
                    f"{member}: a second image of the key {key}, beside {images[key].name}; keep "
                    "one of them"
                )
            images[key] = member
        elif labelled:
            labels[key][end] = _label(member, end, opened)
    for key, member in images.items():
        told = (labels[key][end] for end in LABELS if end in labels[key])
        said = next((one for one in told if one["label"]), {})
        yield SourceFile(file=member, path=f"{path}/{member.name}", split=split, **said)


def _members(shard: File) -> Iterator[tuple[Member, TarInfo, BinaryIO]]:
    """Yield all but folders; raise `UserError` for a name that no file can have, or that two do."""
    file = shard if isinstance(shard, Member) else Member(shard)
    names: set[str] = set()
    for entry, opened in entries(shard):
        name = entry.name.removeprefix("./")
        check_path(f"{shard}/{name}")
        if entry.isdir():
            continue
        start, length = entry.offset_data, entry.size
        member = file._replace(name=name, kind=Kind.STORED, start=start, length=length)
        if name in names:
            raise UserError(f"{member}: two members have this name; write the shard anew")
        names.add(name)
        yield member, entry, opened


def _problem(entry: TarInfo, name: str, end: str) -> str:
    """Say why a member is neither image nor label, empty where it is."""
    if not entry.isreg() or entry.issparse():
        return "no file"
    if strays(name):
        return ELSEWHERE
    if not visible(name):
        return "hidden"
    return "" if end in IMAGES or end in LABELS else "neither image nor label"


def _key(name: str) -> tuple[str, str]:
    """Return the key of a member, and what stands behind it in small letters."""
    folder, slash, last = name.rpartition("/")
    stem, _, end = last.partition(".")
    return f"{folder}{slash}{stem}", end.lower()


def _label(member: Member, end: str, opened: BinaryIO) -> Said:
    """Return what a label says, of which JSON may say more than the class."""
    if member.length > MAX_LABEL:
        raise UserError(f"{member}: a label of more than {MAX_LABEL:,} bytes; shorten it")
    opened.seek(member.start)
    try:
        text = opened.read(member.length).decode("utf-8-sig")
        value = json.loads(text) if end == "json" else text
    except (ValueError, RecursionError):
        raise UserError(f"{member}: not {'JSON' if end == 'json' else 'UTF-8'}; mend it") from None
    if not isinstance(value, dict):
        return {"label": _text(value)}
    fields = list(value)
    places = find_columns(str(member), fields, OF_IMAGE)
    return {"label": "", **{name: _text(value[fields[place]]) for name, place in places.items()}}


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value).strip()
