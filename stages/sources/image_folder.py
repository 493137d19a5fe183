"""Hugging Face's imagefolder: `metadata.csv` or `.jsonl` beside the images, with their labels.

https://huggingface.co/docs/datasets/image_dataset
"""

import csv
import json
from pathlib import PurePosixPath

from stages.sources.columns import find_columns
from stages.sources.contents import open_file
from stages.sources.split_names import split_of
from stages.sources.tree import Tree, visible

METADATA = ("metadata.csv", "metadata.jsonl")
IMAGE = "file_name"
HEAD = 2**16  # bytes that the first line is looked for in


def metadata_of(tree: Tree) -> list[str]:
    """Return the tables that name images by `file_name` and have a label, wherever they lie.

    Those without a label, such as captions, say nothing of classes: folders may.
    """
    named = [path for path in tree.files if PurePosixPath(path).name in METADATA and visible(path)]
    return [path for path in named if _labels(tree, path)]


def split_by_folder(path: str) -> str:
    """Return the split that one of the folders of an image is called after, empty where none is."""
    found = {split_of(folder) for folder in path.split("/")[:-1]} - {""}
    return found.pop() if len(found) == 1 else ""


def _labels(tree: Tree, path: str) -> bool:
    with open_file(tree.file(path)) as file:
        first = file.read(HEAD).decode("utf-8-sig", errors="replace").partition("\n")[0]
    try:
        fields = list(json.loads(first)) if path.endswith(".jsonl") else next(csv.reader([first]))
    except (ValueError, TypeError, StopIteration, csv.Error):
        return False
    return IMAGE in fields and "label" in find_columns(f"{tree.folder}/{path}", fields, ["label"])
