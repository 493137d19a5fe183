"""Source images in; arrays, the samples table and honest splits out (`data/prepared`).

Every file of the source is accounted for, and read by `server.image.decode` exactly as the server
will read it. What shows the same thing twice never both teaches and judges.
"""

import shutil
from pathlib import Path
from typing import Annotated

from typer import Option

from stages.cli.command import parameters, run
from server.atomic import whole
from server.image.resize_mode import ResizeFilter, ResizeMode
from stages.cli.output import write_json
from stages.sources.descriptor import about, suggestions
from stages.sources.folders import GroupBy, find
from stages.splits.exclusion import OnBadImage, OnLeak


def main(
    *,
    source: Annotated[str, Option()],
    corrections: Annotated[Path, Option()],
    group_by: Annotated[GroupBy, Option()],
    image_size: Annotated[int, Option(min=16)],
    resize_mode: Annotated[ResizeMode, Option()],
    resize_filter: Annotated[ResizeFilter, Option()],
    store: Annotated[float, Option(min=1, max=2)],
    validation_fraction: Annotated[float, Option()],
    test_fraction: Annotated[float, Option()],
    near_distance: Annotated[int, Option(min=0, max=16)],
    near_correlation: Annotated[float, Option(min=0, max=1)],
    on_bad_image: Annotated[OnBadImage, Option()],
    on_leak: Annotated[OnLeak, Option()],
    seed: Annotated[int, Option()],
    prepared: Annotated[Path, Option(help="Folder to write.")] = Path("data/prepared"),
    sheet: Annotated[Path, Option(help="Picture to write.")] = Path("data/reports/samples.png"),
    conflicts: Annotated[Path, Option(help="Look-alikes to write.")] = Path(
        "metrics/conflicts.csv"
    ),
    metrics: Annotated[Path, Option(help="Sums to write.")] = Path("metrics/prepare.json"),
    details: Annotated[Path, Option(help="Counts to write.")] = Path(
        "metrics/details/prepare.json"
    ),
    plots: Annotated[Path, Option(help="Folder of histograms.")] = Path("plots/prepare"),
) -> None:
    """Turn labelled images into train, validation and test arrays."""
    # first of all: what is imported here is among the locals, too
    source = source if "://" in source else Path(source).as_posix()
    settings = parameters(locals())
    settings["source"] = settings.pop("source")  # where it was while it was a path

    from server.image.resize import Resizer
    from stages.data.dataset import LARGER, Card, Dataset, data_hash
    from stages.sources.larger import store_larger
    from stages.sources.objects import unchanged, write_objects
    from stages.sources.reading import RENDERINGS, read_all
    from stages.splits.assign import assign, refuse_unlearnable
    from stages.splits.candidates import Candidates
    from stages.splits.contact_sheet import contact_sheet
    from stages.splits.corrections import apply_corrections, read_corrections
    from stages.splits.duplicates import drop_exact, group_near, write_conflicts
    from stages.splits.overview import print_summary, summary, totals, write_distributions

    corrected = read_corrections(corrections)
    suggested = suggestions(source)  # refused before anything is read
    with whole(prepared) as folder, unchanged(source) as objects:
        files = find(source, group_by=group_by)
        images = [file for file in files if not file.reason]
        refuse_unlearnable(images)
        folder.mkdir()
        write_objects(objects, folder)
        resizer = Resizer(size=image_size, mode=resize_mode, filter=resize_filter)
        candidates = Candidates(images, read_all(images, folder, resizer, stage="prepare"), folder)
        candidates.refuse_unreadable(on_bad_image)
        apply_corrections(corrected, candidates.rows)
        pairs = drop_exact(candidates)
        candidates.refuse_lost()
        pairs += group_near(candidates, distance=near_distance, correlation=near_correlation)
        shutil.rmtree(folder / RENDERINGS)
        fractions = {"test": test_fraction, "val": validation_fraction}
        leaked = assign(candidates.readable, fractions, on_leak=on_leak, seed=seed)
        samples = candidates.samples_table([file for file in files if file.reason])
        card = Card(
            classes=sorted({image.label for image in images}),
            image_size=image_size,
            resize_mode=resize_mode,
            resize_filter=resize_filter,
            data_hash=data_hash(samples, resizer, store=store),
            parameters=settings,
            about=about(source),
            store=store,
            suggestions=suggested,
        )
        dataset = Dataset(folder, card, samples)
        if store > 1:
            where = {image.path: image.file for image in images}
            train = [where[path] for path in dataset.split("train").samples["path"].to_pylist()]
            store_larger(train, folder / LARGER, card.larger_resizer)
        dataset.save()
        with whole(sheet) as draft:
            contact_sheet(dataset, draft)
    counts = summary(
        dataset,
        conflicts=len(pairs),
        leaked=leaked,
        corrected=[row for row in candidates.rows if row.corrected],
    )
    write_json(metrics, totals(counts))
    write_json(details, counts)
    write_conflicts(pairs, conflicts)
    write_distributions(dataset, counts, plots)
    print_summary(counts, conflicts)


if __name__ == "__main__":
    run(main, section="prepare")
