"""Any images in, labelled or not; a table of what the artefact says of each of them, out.

No stage of the pipeline: it is run by hand, or declared in dvc.yaml. A run that was stopped, or
killed, goes on where it was, and comes to the same bytes.
"""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from stages.cli.command import parameters, run
from server.terminal import printable


def main(
    source: Annotated[
        str,
        Argument(
            help="Folder of images, image, descriptor (.yaml), gs://bucket/prefix, or - for a list "
            "on stdin, a path a line."
        ),
    ],
    *,
    output: Annotated[Path, Option(help="Table to write, .parquet or .csv.")] = Path(
        "data/answers.parquet"
    ),
    model: Annotated[str, Option(help="Artefact that answers, a path or gs://bucket/object.")] = (
        "data/model/model.onnx"
    ),
    top: Annotated[int, Option(min=1, help="How many of the probabilities to list.")] = 5,
    abstain_below: Annotated[
        float | None, Option(min=0, max=1, help="Confidence to abstain below; else the artefact's.")
    ] = None,
    embedding: Annotated[bool, Option(help="Add the embedding of each image.")] = False,
) -> None:
    """Ask the artefact about any images, labelled or not; write a row a file."""
    # first of all: what is imported here is among the locals, too
    settings = parameters(locals())

    from server.model.classifier import Classifier
    from server.model.providers import CPU
    from stages.prediction.answers import answer, write_table
    from stages.prediction.find import check_output, find_files, list_files
    from stages.prediction.model import Model
    from stages.prediction.on_cluster import cluster
    from stages.prediction.parts import Parts
    from stages.prediction.pool import pool
    from stages.prediction.table import VERSION, Columns
    from stages.sources.cluster import scheduler

    check_output(output, source)
    files = find_files(source)
    artefact = Model(location=model)
    classifier = Classifier(artefact)
    card, name = classifier.metadata, classifier.name
    provider = CPU if scheduler() else classifier.provider
    threshold = card.abstain_threshold if abstain_below is None else abstain_below
    columns = Columns(
        model=name, classes=card.classes, abstain_below=threshold, top=top, embedding=embedding
    )
    settings |= {"model": name, "provider": provider, "abstain_below": threshold}
    settings["version"] = VERSION
    say(f"model {name}, {provider}")
    with Parts.open(output, settings) as parts:
        for change in parts.changes:
            say(f"{change}: starting anew")
        listing = list_files(files, source, parts.list_path)
        missing = parts.missing(listing)
        if (rest := sum(missing.values())) < listing.count:
            say(f"{listing.count - rest:,} of {listing.count:,} files are done; going on")
        if missing:
            start = cluster if scheduler() else pool
            with start(classifier, artefact) as workers:
                answer(parts, workers(parts.tasks(listing, missing)), columns, total=rest)
        summary = write_table(output, parts.read(listing), columns)
        parts.remove()
    for line in summary.lines():
        say(line)
    say(str(output))


def say(line: str) -> None:
    """Print a line, whatever names are in it."""
    print(printable(f"predict: {line}"), flush=True)


if __name__ == "__main__":
    run(main)
