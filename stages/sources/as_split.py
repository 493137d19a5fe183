"""Any folder of images as a split, read as an artefact wants its images."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from server.errors import UserError
from server.model.classifier import Classifier
from server.terminal import printable
from stages.data.dataset import Split, used_samples
from stages.sources.folders import GroupBy, find
from stages.sources.reading import UNREADABLE, read_all
from stages.sources.source_file import SourceFile
from stages.sources.tree import scan, visible


@contextmanager
def as_split(
    source: Path | str, classifier: Classifier, *, labelled: bool
) -> Iterator[tuple[Split, int]]:
    """Yield the readable images of `source`, and how many of its files cannot be read.

    labelled: `source` is what `prepare.source` may be, and its test split is taken where it has
    one. Otherwise it is a folder, all files in it are taken, however deep, and have no class.

    Nothing is kept of them. Raises `UserError` where there is no image, or one of a class that
    the artefact does not know.
    """
    classes = classifier.metadata.classes
    files = _labelled(str(source), classes) if labelled else _unlabelled(Path(source))
    with TemporaryDirectory() as name:
        samples = read_all(
            files, Path(name), classifier.resizer, stage="evaluate" if labelled else "drift"
        )
        readable = used_samples(samples)
        if not len(readable):
            problem = samples["status"][0].as_py().removeprefix(f"{UNREADABLE}: ")
            raise UserError(
                f"{'--data' if labelled else 'drift.current'}={source}: none of its "
                f"{len(files):,} files is an image that can be read; {files[0].path}: {problem}"
            )
        yield Split(Path(name), classes, readable), len(files) - len(readable)


def _labelled(source: str, classes: list[str]) -> list[SourceFile]:
    files = find(source, group_by=GroupBy.MANIFEST, option="--data", stage="evaluate")
    files = [file for file in files if not file.reason]
    if test := [file for file in files if file.split == "test"]:
        files = test
        print(f"evaluate: of {printable(source)} its test split", flush=True)
    foreign = sorted({file.label for file in files} - set(classes))
    if foreign:
        raise UserError(
            f"{source}: the model knows no class {', '.join(foreign)}; it has {', '.join(classes)}"
        )
    return files


def _unlabelled(folder: Path) -> list[SourceFile]:
    files = [
        SourceFile(file=f"{folder}/{path}", path=path)
        for path in scan(folder).files
        if visible(path)
    ]
    if not files:
        raise UserError(f"drift.current={folder}: no images there, and no log")
    return files
