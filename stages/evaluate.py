"""The artefact and the test split in; how good the file that ships really is, out.

Goes through the server's own classifier. Changes and chooses nothing. With `--data FOLDER` it
judges any labelled images instead, and needs nothing else of the pipeline.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

from typer import Option

from server.model.classifier import Classifier
from stages.cli.command import run
from stages.cli.output import whole, write_json
from stages.data.dataset import Dataset, Split
from stages.evaluation.judgement import Answers, judge
from stages.evaluation.mistakes import mistakes_sheet
from stages.evaluation.model_card import Source, model_card
from stages.evaluation.plot_tables import tables, write_tables
from stages.evaluation.robustness import means, robustness
from stages.evaluation.speed import speed
from stages.evaluation.spoken import say, say_speed
from stages.sources.as_split import as_split
from stages.sources.descriptor import about

TIMINGS = Path("data/timings/evaluate.json")  # differs from run to run, so it is no output


def main(
    *,
    model: Annotated[Path, Option(help="Artefact to judge.")] = Path("data/model/model.onnx"),
    prepared: Annotated[Path, Option(help="Folder to read.")] = Path("data/prepared"),
    counts: Annotated[Path, Option(help="Of prepare.")] = Path("metrics/prepare.json"),
    metrics: Annotated[Path, Option(help="Scores to write.")] = Path("metrics/evaluate.json"),
    card: Annotated[Path, Option(help="Model card to write.")] = Path("metrics/model_card.md"),
    plots: Annotated[Path, Option(help="Folder of curves.")] = Path("plots/evaluate"),
    mistakes: Annotated[Path, Option(help="Picture to write.")] = Path("data/reports/mistakes.png"),
    data: Annotated[Path | None, Option(help="Labelled images to judge instead.")] = None,
    results: Annotated[Path | None, Option(help="Folder for what is found of them.")] = None,
) -> None:
    """Score the artefact on the test images, or on a folder of labelled ones."""
    classifier = Classifier(model)
    images: AbstractContextManager[tuple[Split, int]]
    if data:
        images = as_split(data, classifier, labelled=True)
        source = Source.folder(data, about(data))
    else:
        dataset = Dataset.open(prepared)
        images = nullcontext((dataset.split("test"), 0))
        source = Source.prepared(dataset.card, counts)
    with images as (split, unreadable):
        if unreadable:
            files = f"{unreadable:,} of {len(split) + unreadable:,} images"
            print(f"evaluate: {files} cannot be read, left out")
        answers = Answers.of(classifier, split, what="evaluate")
        worse = robustness(classifier, split)
        judged = {"model": classifier.name, **judge(answers), "robustness": means(worse)}
        say(judged, worse)
        if data and results:
            metrics, card = results / metrics.name, results / card.name
            plots, mistakes = results / "plots", results / mistakes.name
        if results or not data:
            write_json(metrics, judged)
            with whole(plots) as folder:
                write_tables(folder, tables(answers, judged, worse))
            with whole(mistakes) as draft:
                mistakes_sheet(classifier, split, answers.probabilities, draft)
            with whole(card) as draft:
                draft.write_text(model_card(answers.card, judged, source), encoding="utf-8")
    measured = speed(classifier)
    say_speed(measured, classifier.provider)
    if not data:
        write_json(TIMINGS, measured)


if __name__ == "__main__":
    run(main, section="evaluate")
