"""Shards: images packed with their labels in a few large files, of WebDataset or Hugging Face."""

from collections.abc import Iterable, Iterator

from server.errors import UserError
from server.terminal import printable
from stages.sources.layout import shown
from stages.sources.member import File, Kind
from stages.sources.source_file import SourceFile
from stages.sources.split_names import split_of, split_of_shard
from stages.sources.tree import Tree, visible

TAR, PARQUET = SHARDS = (".tar", ".parquet")
TEXTS = (".csv", ".idx", ".json", ".jsonl", ".md", ".tsv", ".txt", ".yaml", ".yml")
LABELS = (
    "; beside each image of a shard its label must be, as .cls, .txt or .json, or in column label"
)


def are_shards(names: Iterable[str]) -> bool:
    """Whether these are shards, and texts beside them, by their names; ends at the first other."""
    found = False
    for name in filter(visible, names):
        if name.lower().endswith(SHARDS):
            found = True
        elif not _is_text(name):
            return False
    return found


def shards_of(tree: Tree) -> list[str]:
    """Return the paths of the shards, none where something else than texts lies beside them."""
    if not are_shards(tree.files) or not _whole(tree.file(tree.files[0])):
        return []
    shards = [path for path in tree.files if visible(path) and path.lower().endswith(SHARDS)]
    if any(path.lower().endswith(PARQUET) for path in shards):
        from stages.sources.hugging_face import holds_images  # imports pyarrow

        shards = [
            path for path in shards if path.lower().endswith(TAR) or holds_images(tree.file(path))
        ]
    ends = {path.lower().rpartition(".")[2] for path in shards}
    if len(ends) > 1:
        raise UserError(
            f"{tree.folder}: both .tar and .parquet hold images, such as {shown(shards)}; give a "
            "folder of one kind"
        )
    return shards


def packed_images(
    tree: Tree, shards: list[str], stage: str, *, labelled: bool
) -> Iterator[SourceFile]:
    """Yield what is in the shards, and the files beside them; say what they are."""
    from stages.data.counts import counted  # imports NumPy

    splits = splits_of_shards(tree, shards) if labelled else {}
    note = f"{tree.folder} holds {counted(len(shards), 'shard')}"
    if named := {*splits.values()} - {""}:
        note += f", already split: {', '.join(sorted(named))}"
    print(printable(f"{stage}: {note}"), flush=True)
    for path in tree.files:
        if path in shards:
            images = _images(tree, path, splits.get(path, ""), labelled=labelled)
            yield from sorted(images, key=lambda image: image.path)
        else:
            reason = "beside the shards" if visible(path) else "hidden"
            yield SourceFile(file=tree.file(path), path=path, reason=reason)


def splits_of_shards(tree: Tree, shards: list[str]) -> dict[str, str]:
    """Return the split of each shard by its folder or its name; all have one, or none has."""
    splits = {}
    for path in shards:
        *folders, name = path.split("/")
        found = {split_of(folder) for folder in folders} | {split_of_shard(name)}
        if None in found or len(found - {""}) > 1:
            raise UserError(
                f"{tree.folder}/{path}: like the name of a split, but not surely one; call splits "
                "train, val and test"
            )
        splits[path] = "".join(filter(None, found))
    lost = [path for path in shards if not splits[path]]
    if lost and len(lost) < len(shards):
        raise UserError(
            f"{tree.folder}: {shown(lost)}: of no split by its name, as others are; call splits "
            "train, val and test, or move it away"
        )
    return splits


def _images(tree: Tree, path: str, split: str, *, labelled: bool) -> Iterator[SourceFile]:
    if path.lower().endswith(TAR):
        from stages.sources.webdataset import shard_images

        return shard_images(tree.file(path), path, split, labelled=labelled)
    from stages.sources.hugging_face import row_images

    return row_images(tree.file(path), path, split, labelled=labelled)


def _is_text(path: str) -> bool:
    name = path.rpartition("/")[2]
    return "." not in name or name.lower().endswith(TEXTS)


def _whole(file: File) -> bool:
    """Whether any part of it can be read, as none can in a zip."""
    return isinstance(file, str) or file.kind == Kind.WHOLE
