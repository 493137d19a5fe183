"""Prepared images in; a page of labels that are probably wrong, and of images to label next, out.

Nothing here learns from a label that it judges: the network is the one that training starts from,
and a linear probe on its embeddings answers for images of groups that it has not seen. It is no
stage of the pipeline; its page writes data/corrections.csv, which `prepare` applies.
"""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from typer import Option

from stages.cli.command import run
from server.errors import UserError
from server.terminal import printable
from stages.network.matching import WeightsMatch
from stages.training.device import Device

LOG = Path("data/current")


def main(
    *,
    architecture: Annotated[str, Option()],
    weights: Annotated[str, Option()],
    weights_match: Annotated[WeightsMatch, Option()],
    mean: Annotated[list[str], Option()],
    std: Annotated[list[str], Option()],
    device: Annotated[Device, Option()],
    prepared: Annotated[Path, Option(help="Folder to read.")] = Path("data/prepared"),
    corrections: Annotated[Path, Option(help="Corrections that are made already.")] = Path(
        "data/corrections.csv"
    ),
    unlabelled: Annotated[
        Path | None, Option(help="Folder of images without labels, to say which to label next.")
    ] = None,
    feedback: Annotated[
        Path, Option(help="Snapshot of the server's log, where visitors said what images show.")
    ] = LOG,
    count: Annotated[int, Option(min=1, help="How many of them.")] = 100,
    table: Annotated[Path, Option(help="Findings to write.")] = Path("metrics/review.csv"),
    page: Annotated[Path, Option(help="Page to write.")] = Path("data/reports/review.html"),
) -> None:
    """Find labels that are probably wrong, and images to label next."""
    from server.drift.log_files import log_files
    from stages.comparison.feedback import what_images_show
    from stages.data.dataset import Dataset, Split
    from stages.labels.conflicts import labelled_samples
    from stages.labels.findings import Kind
    from stages.labels.page import write_page
    from stages.labels.review import review
    from stages.labels.table import write_findings
    from stages.labels.unlabelled import unlabelled_images
    from stages.network.network import create
    from stages.network.pretrained import Weights
    from stages.splits.corrections import check_applied, read_corrections
    from stages.training.device import choose, keep_memory

    if weights == Weights.NONE:
        raise UserError(
            "train.weights=none: what random weights see says nothing of labels; give "
            "--architecture tf_efficientnet_lite0 --weights packaged"
        )
    if feedback != LOG and not feedback.exists():
        raise UserError(f"--feedback={feedback}: not there; `make snapshot-log` makes {LOG}")
    keep_memory()
    dataset = Dataset.open(prepared)
    made = read_corrections(corrections)
    check_applied(made, dataset.samples)
    card = dataset.card
    network = create(
        architecture,
        classes=len(card.classes),
        weights=weights,
        image_size=card.image_size,
        weights_match=weights_match,
        mean=mean,
        std=std,
    )
    labelled = Split(dataset.folder, card.classes, labelled_samples(dataset.samples))
    with ExitStack() as stack:
        splits = [labelled]
        if unlabelled:
            splits.append(stack.enter_context(unlabelled_images(unlabelled, dataset)))
        shown = what_images_show(log_files(feedback))
        collection = review(splits, card, network, choose(device), count=count, shown=shown)
        write_findings(collection, table)
        write_page(collection, made, card.about, page)
    counts = Counter(one.kind for one in collection.findings)
    for kind in Kind:
        print(f"{kind}: {counts[kind]:,}")
    print(f"review: {len(collection.reasons):,} images to look at, in {printable(str(page))}")


if __name__ == "__main__":
    run(main, section="train")
