"""Source images in; arrays, the samples table and honest splits out (`data/prepared`).

Every file of the source is accounted for, and read by `server.image.decode` exactly as the server
will read it. What shows the same thing twice never both teaches and judges.
"""

import hashlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Option

from server.errors import UserError
from server.image.resize import ResizeFilter, ResizeMode, Resizer
from stages.cli.command import parameters, run
from stages.cli.output import whole, write_json
from stages.data.dataset import CARD, Card, write_samples
from stages.data.shards import Shards
from stages.sources.about import about
from stages.sources.folders import GroupBy, find
from stages.sources.reading import read_all
from stages.splits.assign import Member, assign, check, leaks
from stages.splits.candidates import Candidates, Reason
from stages.splits.contact_sheet import contact_sheet
from stages.splits.duplicates import drop_exact, group_near, write_conflicts
from stages.splits.overview import histograms, summary, table


class OnBadImage(StrEnum):
    """What to do about a file that cannot be used as an image."""

    ERROR = "error"
    SKIP = "skip"


class OnLeak(StrEnum):
    """What to do where splits that came with the source share pictures."""

    DROP = "drop"
    ERROR = "error"
    KEEP = "keep"


def main(
    *,
    source: Annotated[Path, Option()],
    group_by: Annotated[GroupBy, Option()],
    image_size: Annotated[int, Option(min=16)],
    resize_mode: Annotated[ResizeMode, Option()],
    resize_filter: Annotated[ResizeFilter, Option()],
    validation_fraction: Annotated[float, Option()],
    test_fraction: Annotated[float, Option()],
    near_distance: Annotated[int, Option(min=0, max=16)],
    near_correlation: Annotated[float, Option(min=0, max=1)],
    on_bad_image: Annotated[OnBadImage, Option()],
    on_leak: Annotated[OnLeak, Option()],
    seed: Annotated[int, Option()],
    prepared: Annotated[Path, Option(help="Folder to write.")] = Path("data/prepared"),
    sheet: Annotated[Path, Option(help="Picture to write.")] = Path("data/reports/samples.png"),
    conflicts: Annotated[Path, Option(help="Pairs to write.")] = Path("metrics/conflicts.csv"),
    metrics: Annotated[Path, Option(help="Counts to write.")] = Path("metrics/prepare.json"),
    plots: Annotated[Path, Option(help="Folder of histograms.")] = Path("plots/prepare"),
) -> None:
    """Turn labelled images into train, validation and test arrays."""
    settings = parameters(locals()) | {"source": source.as_posix()}
    found = find(source, group_by=group_by)
    candidates = [image for image in found if not image.reason]
    with whole(prepared) as folder:
        folder.mkdir()
        shards = Shards(folder, len(candidates), image_size)
        shards.allocate()
        resizer = Resizer(size=image_size, mode=resize_mode, filter=resize_filter)
        samples = Candidates(candidates, read_all(candidates, shards, resizer))
        _refuse_unreadable(samples, on_bad_image)
        drop_exact(samples)
        together = group_near(samples, shards, near_distance, near_correlation)
        leaked = _split(samples, together, validation_fraction, test_fraction, on_leak, seed)
        write_samples(folder, samples.table(shards, [image for image in found if image.reason]))
        card = Card(
            classes=sorted({image.label for image in candidates}),
            image_size=image_size,
            resize_mode=resize_mode,
            resize_filter=resize_filter,
            data_hash=_data_hash(samples),
            parameters=settings,
            about=about(source),
        )
        write_json(folder / CARD, card.to_json())
        with whole(sheet) as draft:
            contact_sheet(samples, shards, draft)
    counts = summary(found, samples) | {"leaked": leaked}
    write_json(metrics, counts)
    write_conflicts(samples, conflicts)
    histograms(samples, plots)
    table(counts)


def _refuse_unreadable(samples: Candidates, on_bad_image: OnBadImage) -> None:
    """Stop at the first file that is no image, or where skipping them leaves a class empty."""
    problems = samples.facts["problem"].to_pylist()
    bad = [position for position, problem in enumerate(problems) if problem]
    if bad and on_bad_image is OnBadImage.ERROR:
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise UserError(
            f"{samples.found[bad[0]].file}: {problems[bad[0]]}{more}; remove it or set "
            "prepare.on_bad_image=skip"
        )
    usable = set(samples.labels(samples.used))
    for lost in sorted({image.label for image in samples.found} - usable):
        raise UserError(f"class {lost}: none of its files is a usable image; remove the class")


def _split(
    samples: Candidates,
    together: list[int],
    validation_fraction: float,
    test_fraction: float,
    on_leak: OnLeak,
    seed: int,
) -> int:
    """Give each used image its split; return how many shared their group with a later split."""
    used = samples.used.tolist()
    names = samples.facts["pixel_sha256"].to_pylist()
    members = [
        Member(
            label=samples.found[position].label,
            slice=samples.found[position].slice,
            group=group,
            key=names[position],
            split=samples.found[position].split,
        )
        for position, group in zip(used, together, strict=True)
    ]
    splits = assign(
        members,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
        seed=seed,
    )
    for position, split in zip(used, splits, strict=True):
        samples.split[position] = split
    leaked = [(used[first], used[second]) for first, second in leaks(members, splits)]
    if leaked and on_leak is OnLeak.ERROR:
        first, second = (samples.found[position].path for position in leaked[0])
        raise UserError(
            f"{first} is in {samples.split[leaked[0][0]]} and shows the same as {second} in "
            f"{samples.split[leaked[0][1]]}, {len(leaked)} such images in all; remove them or set "
            "prepare.on_leak=drop"
        )
    if on_leak is OnLeak.DROP:
        for position, other in leaked:
            samples.leave_out(position, Reason.LEAK, other)
            samples.split[position] = ""
    rest = samples.used
    given = {member.split for member in members}
    check(samples.labels(rest), [samples.split[i] for i in rest], given=given)
    return len(leaked)


def _data_hash(samples: Candidates) -> str:
    """Name the data by what is learned from: pixels, classes and splits, not paths."""
    names = samples.facts["pixel_sha256"].to_pylist()
    lines = sorted(
        f"{names[i]} {samples.split[i]} {samples.found[i].label}" for i in samples.used.tolist()
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


if __name__ == "__main__":
    run(main, section="prepare")
