"""A zip as the folder that it would unpack to; nothing is unpacked."""

import stat
import zipfile
from collections.abc import Iterable
from itertools import takewhile
from os.path import commonpath

from server.errors import UserError
from server.terminal import one_line
from stages.sources.contents import DEFLATED, open_file
from stages.sources.member import File, Kind, Member
from stages.sources.names import ELSEWHERE, check_path, strays
from stages.sources.source_file import SourceFile
from stages.sources.split_names import split_of
from stages.sources.tree import Tree, visible

ENCRYPTED = 0x1


def zip_tree(archive: File) -> Tree:
    """List a zip, below the one folder at its top if there is no more, or raise `UserError`."""
    file = archive if isinstance(archive, Member) else Member(archive)
    try:
        with open_file(archive) as opened, zipfile.ZipFile(opened) as listed:
            infos = listed.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UserError(
            f"{archive}: no zip that can be read ({one_line(error)}); copy it again"
        ) from None
    _refuse_overlaps(archive, infos)
    members, others = dict[str, Member](), []
    for info in infos:
        name = info.filename.replace("\\", "/").removeprefix("./")  # of old Windows, too
        check_path(f"{archive}/{name}")
        if info.is_dir():
            continue
        member = file._replace(
            name=name,
            kind=Kind.ZIPPED,
            start=info.header_offset,
            length=info.compress_size,
            check=info.CRC,
        )
        if name in members:
            raise UserError(f"{member}: two members have this name; write the zip anew")
        if reason := _problem(info, name):
            others.append(SourceFile(file=member, path=name, reason=reason))
        else:
            members[name] = member
    top = _top(members)
    below = {name.removeprefix(top): member for name, member in members.items()}
    return Tree.of(f"{archive}/{top}".rstrip("/"), below, others)


def _problem(info: zipfile.ZipInfo, name: str) -> str:
    """Say why a member cannot be read, empty where it can."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        return "no file"
    if strays(name):
        return ELSEWHERE
    if info.flag_bits & ENCRYPTED:
        return "encrypted"
    if info.compress_type not in {zipfile.ZIP_STORED, DEFLATED}:
        return f"compressed by method {info.compress_type}"
    return ""


def _top(names: Iterable[str]) -> str:
    """Return the folder that all visible members lie in, unless it is a split's or below one."""
    above = [name.rpartition("/")[0] for name in names if visible(name)]
    common = commonpath(above).split("/") if above and all(above) else []
    return "".join(f"{part}/" for part in takewhile(lambda part: not split_of(part), common))


def _refuse_overlaps(archive: File, infos: list[zipfile.ZipInfo]) -> None:
    """Raise `UserError` where members share bytes: some bombs unfold by that (Fifield 2019)."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise UserError(f"{archive}: its members share bytes, as those of zip bombs do")
        end = info.header_offset + info.compress_size
