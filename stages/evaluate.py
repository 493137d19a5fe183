"""The artefact and the test split in; how good the file that ships really is, out.

Goes through the server's own classifier. Changes and chooses nothing. With `--data FOLDER` it
evaluates it on any labelled images instead, and needs nothing else of the pipeline.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path, PurePosixPath
from typing import Annotated

from typer import Option

from stages.cli.command import run
from server.atomic import whole
from server.model.classifier import Classifier
from stages.answers.predictions import predict_probabilities
from stages.cli.output import write_json
from stages.data.dataset import Dataset, Split
from stages.evaluation.metrics import evaluation_metrics, headline
from stages.evaluation.mistakes import mistakes_sheet
from stages.evaluation.model_card import Source, model_card, print_results
from stages.evaluation.plot_tables import write_plot_tables
from stages.evaluation.robustness import corruption_accuracies, mean_accuracies
from stages.evaluation.speed import measure_speed
from stages.sources.as_split import as_split
from stages.sources.descriptor import about

TIMINGS = Path("data/timings/evaluate.json")  # differs from run to run, so it is no output


def main(
    *,
    model: Annotated[Path, Option(help="Artefact to evaluate.")] = Path("data/model/model.onnx"),
    prepared: Annotated[Path, Option(help="Folder to read.")] = Path("data/prepared"),
    counts: Annotated[Path, Option(help="Counts by prepare, for the model card.")] = Path(
        "metrics/details/prepare.json"
    ),
    metrics: Annotated[Path, Option(help="Scores to write.")] = Path("metrics/evaluate.json"),
    details: Annotated[Path, Option(help="All figures to write.")] = Path(
        "metrics/details/evaluate.json"
    ),
    card: Annotated[Path, Option(help="Model card to write.")] = Path("metrics/model_card.md"),
    plots: Annotated[Path, Option(help="Folder of curves.")] = Path("plots/evaluate"),
    mistakes: Annotated[Path, Option(help="Picture to write.")] = Path("data/reports/mistakes.png"),
    data: Annotated[str | None, Option(help="Labelled images to evaluate it on.")] = None,
    results: Annotated[Path | None, Option(help="Folder to write their results to.")] = None,
) -> None:
    """Score the artefact on the test images, or on a folder of labelled ones."""
    classifier = Classifier(model)
    images: AbstractContextManager[tuple[Split, int]]
    if data:
        images = as_split(data, classifier, labelled=True)
        source = Source(name=PurePosixPath(data).name, about=about(data))
    else:
        dataset = Dataset.open(prepared)
        images = nullcontext((dataset.split("test"), 0))
        source = Source.prepared(dataset.card, counts)
    if data and results:
        metrics, card = results / metrics.name, results / card.name
        details = results / "details" / details.name
        plots, mistakes = results / "plots", results / mistakes.name
    with images as (split, unreadable):
        if unreadable:
            count = len(split) + unreadable
            print(f"evaluate: {unreadable:,} of {count:,} images cannot be read, left out")
        probabilities = predict_probabilities(classifier, split, what="evaluate")
        robustness = corruption_accuracies(classifier, split)
        metadata = classifier.metadata
        figures = {"model": classifier.name, **evaluation_metrics(metadata, split, probabilities)}
        figures["robustness"] = mean_accuracies(robustness)
        text = model_card(metadata, figures, source)
        print(f"evaluate: model {classifier.name}")
        print_results(text)
        if results or not data:
            write_json(metrics, headline(figures))
            write_json(details, figures)
            with whole(plots) as folder:
                write_plot_tables(folder, metadata, split, probabilities, figures, robustness)
            with whole(mistakes) as draft:
                mistakes_sheet(classifier, split, probabilities, draft)
            with whole(card) as draft:
                draft.write_text(text, encoding="utf-8")
    speed = measure_speed(classifier)
    if not data:
        write_json(TIMINGS, speed)


if __name__ == "__main__":
    run(main, section="evaluate")
