"""Source images in; arrays, the samples table and honest splits out (`data/prepared`).

Every file of the source is decoded and resized by `server.image`, exactly as the server will do
it, so that the network meets in production what it was trained on.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from enum import StrEnum
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from server.errors import ImageError, UserError
from server.features import image_features
from server.image import Pixels, ResizeFilter, ResizeMode, Resizer, decode
from stages.command import parameters, run
from stages.dataset import CARD, USED, Card, write_samples
from stages.output import whole, write_json
from stages.progress import track
from stages.shards import ShardWriter
from stages.sources import Labelled, find
from stages.splits import SPLITS, Member, stratified


class OnBadImage(StrEnum):
    """What to do about a file that cannot be used as an image."""

    ERROR = "error"
    SKIP = "skip"


def main(
    *,
    source: Annotated[Path, Option(help="A folder of class folders, or a descriptor.")],
    image_size: Annotated[int, Option(min=16, help="Side of the stored squares, in pixels.")],
    resize_mode: Annotated[ResizeMode, Option(help="How a picture becomes a square.")],
    resize_filter: Annotated[ResizeFilter, Option(help="Resampling filter.")],
    validation_fraction: Annotated[float, Option(help="Share of images that choose.")],
    test_fraction: Annotated[float, Option(help="Share of images that judge.")],
    on_bad_image: Annotated[OnBadImage, Option(help="Stop at an unusable file, or skip it.")],
    seed: Annotated[int, Option(help="Draws the splits.")],
    prepared: Annotated[Path, Option(help="Folder to write.")] = Path("data/prepared"),
    metrics: Annotated[Path, Option(help="Counts to write.")] = Path("metrics/prepare.json"),
) -> None:
    """Turn a folder of labelled images into train, validation and test arrays."""
    settings = parameters(locals()) | {"source": source.as_posix()}
    labelled = find(source)
    resizer = Resizer(size=image_size, mode=resize_mode, filter=resize_filter)
    with whole(prepared) as folder:
        folder.mkdir()
        rows = list(_store(labelled, resizer, folder, on_bad_image))
        used = [row for row in rows if row["status"] == USED]
        classes = sorted({image.label for image in labelled})
        for lost in set(classes) - {row["class"] for row in used}:
            raise UserError(f"class {lost}: none of its files is a usable image; remove the class")
        members = [
            Member(label=row["class"], slice=row["slice"], key=row["pixel_sha256"]) for row in used
        ]
        splits = stratified(
            members,
            validation_fraction=validation_fraction,
            test_fraction=test_fraction,
            seed=seed,
        )
        for row, split in zip(used, splits, strict=True):
            row["split"] = split
        write_samples(folder, rows)
        card = Card(
            classes=classes,
            image_size=image_size,
            resize_mode=resize_mode,
            resize_filter=resize_filter,
            data_hash=_data_hash(used),
            parameters=settings,
        )
        write_json(folder / CARD, card.to_json())
    counts = _counts(rows, used, classes)
    write_json(metrics, counts)
    print(
        f"{len(used):,} of {len(rows):,} images used,",
        ", ".join(f"{sum(counts[split].values()):,} {split}" for split in SPLITS),
    )


def _store(
    labelled: Sequence[Labelled], resizer: Resizer, folder: Path, on_bad_image: OnBadImage
) -> Iterator[dict[str, Any]]:
    """Write each usable image to a shard and yield the row of each file."""
    shape = (resizer.size, resizer.size, 3)
    with (
        ProcessPoolExecutor(mp_context=get_context("spawn")) as pool,
        ShardWriter(folder, shape=shape) as shards,
    ):
        read = pool.map(partial(_read, resizer=resizer), labelled, chunksize=16)
        read = track(read, what="prepare", total=len(labelled), unit="images")
        for image, (pixels, facts) in zip(labelled, read, strict=True):
            row = {
                "path": image.path,
                "class": image.label,
                "slice": image.slice,
                "group": image.group,
            }
            if pixels is not None:
                shard, index = shards.append(pixels)
                yield {**row, **facts, "status": USED, "shard": shard, "index": index}
            elif on_bad_image is OnBadImage.SKIP:
                yield {**row, "status": facts["problem"]}
            else:
                pool.shutdown(wait=False, cancel_futures=True)
                raise UserError(
                    f"{image.file}: {facts['problem']}; remove it or set prepare.on_bad_image=skip"
                )


def _read(image: Labelled, *, resizer: Resizer) -> tuple[Pixels | None, dict[str, Any]]:
    """Return an image's pixels and what the samples table says of it, or None and its problem."""
    from imagehash import phash

    try:
        decoded = decode(image.file.read_bytes())
    except (ImageError, OSError) as error:
        return None, {"problem": str(error)}
    picture = decoded.picture
    pixels = resizer(picture)
    size = f"{picture.width}x{picture.height}:".encode()
    return pixels, {
        "pixel_sha256": hashlib.sha256(size + picture.tobytes()).hexdigest(),
        "phash": str(phash(picture)),
        "width": picture.width,
        "height": picture.height,
        "mode": decoded.mode,
        "format": decoded.format,
        **image_features(pixels, width=picture.width, height=picture.height),
    }


def _data_hash(used: Sequence[dict[str, Any]]) -> str:
    """Name the data by what is learned from: pixels, classes and splits, not paths."""
    lines = sorted(f"{row['pixel_sha256']} {row['split']} {row['class']}" for row in used)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _counts(
    rows: Sequence[dict[str, Any]], used: Sequence[dict[str, Any]], classes: Sequence[str]
) -> dict[str, Any]:
    counts = Counter((row["split"], row["class"]) for row in used)
    by_split = {split: {name: counts[split, name] for name in classes} for split in SPLITS}
    return {"found": len(rows), "used": len(used), "left_out": len(rows) - len(used), **by_split}


if __name__ == "__main__":
    run(main)
