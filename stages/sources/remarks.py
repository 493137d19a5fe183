"""What is odd about images that are read all the same: a sentence a reason, by how many files."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from server.image.remark import Remark
from server.terminal import printable
from stages.sources.source_file import SourceFile

SENTENCES = {
    Remark.RANGE: (
        "of 16 bits use less than an eighth of their range, so they come out nearly in one shade; "
        "if fewer bits were meant, scale them to all 16 or to 8"
    ),
    Remark.PROFILE: (
        "have a colour profile that cannot be used, so their colours are taken as sRGB; "
        "convert them to sRGB if they look wrong"
    ),
}


def print_remarks(files: Sequence[SourceFile], remarks: pa.ChunkedArray, *, stage: str) -> None:
    """Print one line a reason: how many of the files, the first of them, and what to do.

    remarks: a list of `Remark` a file, or null
    """
    odd = pc.indices_nonzero(pc.fill_null(pc.list_value_length(remarks), 0))
    paths: dict[Remark, list[str]] = {remark: [] for remark in SENTENCES}
    for position, of in zip(odd.to_pylist(), remarks.take(odd).to_pylist(), strict=True):
        for remark in of:
            paths[Remark(remark)].append(files[position].path)
    for remark, sentence in SENTENCES.items():
        if named := paths[remark]:
            count = f"{len(named):,} of {len(files):,} files"
            print(f"{stage}: {count} (first {printable(named[0])}) {sentence}", flush=True)
