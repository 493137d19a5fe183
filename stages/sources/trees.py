"""What is in a source as if it were a folder: in one, a zip, a prefix of a bucket, or one file."""

import re
from pathlib import Path

from server.errors import UserError
from server.storage.google_cloud import SCHEME
from stages.sources.bucket import objects
from stages.sources.member import Member
from stages.sources.names import ELSEWHERE, check_path, strays
from stages.sources.packed import SHARDS
from stages.sources.source_file import SourceFile
from stages.sources.tree import Tree, scan
from stages.sources.zipped import zip_tree

ZIP = ".zip"
OTHER_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
CURE = (
    "give a folder with a folder of images a class (`dvc add` it first), a .zip of one, shards "
    "(.tar, .parquet), gs://bucket/prefix, or a descriptor such as data/solar-cells.yaml"
)


def tree_of(source: str, given: str, *, cure: str = CURE) -> Tree:
    """List what is in a source; `given`: as the user named it; `cure`: what to give else.

    Raises `UserError` where it is not there, or neither a folder nor packed.
    """
    if source.startswith(SCHEME):
        return _in_bucket(source, given, cure)
    if other := OTHER_SCHEME.match(source):
        raise UserError(
            f"{given}: {other[1]}:// is not read, of buckets only gs:// is; `dvc import-url "
            f"{source} data/images` brings a copy"
        )
    path = Path(source)
    if path.is_dir():
        return scan(path)
    if not path.is_file():
        raise UserError(f"{given}: not there; {cure}")
    name = path.as_posix()
    return _of_file(name, Member(name), given, cure)


def _of_file(name: str, file: Member, given: str, cure: str) -> Tree:
    if name.lower().endswith(ZIP):
        return zip_tree(file)
    if name.lower().endswith(SHARDS):
        above, _, last = name.rpartition("/")
        return Tree.of(above, {last: file})
    raise UserError(f"{given}: a file; {cure}")


def _in_bucket(address: str, given: str, cure: str) -> Tree:
    """List the objects below an address, each of the generation that it has now."""
    members, others = dict[str, Member](), []
    for found in objects(address):
        if not found.name:
            return _of_file(address, found.file, given, cure)
        check_path(found.address)
        if strays(found.name):
            others.append(SourceFile(file=found.file, path=found.name, reason=ELSEWHERE))
        else:
            members[found.name] = found.file
    if not members:
        raise UserError(f"{given}: not there; {cure}")
    return Tree.of(address.rstrip("/"), members, others)
