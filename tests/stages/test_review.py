import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.kit.drawing import draw
from tests.kit.stage import run_stage
from tests.kit.wrong_labels import SAME, TWIN, WRONG, draw_wrong, review

CACHE = Path(".dvc/tmp/embeddings")


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which drawn images, some of them in the wrong class, were reviewed."""
    folder = tmp_path_factory.mktemp("reviewed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        draw_wrong(Path("shapes"))
        for index, kind in enumerate(("disc", "frame", "stripes") * 3):
            Path("new").mkdir(exist_ok=True)
            draw(kind, 5000 + index).save(f"new/{index}.png")
        (Path("new") / "no image.png").write_bytes(b"no image")
        assert run_stage("prepare", source="shapes") == 0
        (Path("new") / "known.png").write_bytes(Path("shapes", WRONG[0]).read_bytes())
        assert review(unlabelled="new", count=4) == 0
    return folder


@pytest.fixture
def there(reviewed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(reviewed)
    return reviewed


def findings() -> dict[str, list[dict[str, str]]]:
    """The rows of each kind, in their order."""
    kinds: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader(Path("metrics/review.csv").read_text().splitlines()):
        kinds.setdefault(row["kind"], []).append(row)
    return kinds


def test_labels_that_are_wrong_come_first_with_the_right_one(there: Path) -> None:
    errors = findings()["label error"]
    first = {row["path"]: row["suggested"] for row in errors[:3]}
    assert first == {WRONG[0]: "disc", WRONG[1]: "frame", TWIN[1]: "disc"}
    assert [row["rank"] for row in errors] == [str(rank + 1) for rank in range(len(errors))]
    never = {row["path"] for row in findings()["never right"]}
    assert {*WRONG, TWIN[1]} <= never


def test_near_duplicates_under_two_labels_name_each_other_equal_ones_first(there: Path) -> None:
    rows = findings()["near duplicate"]
    pairs = {row["path"]: row["other_path"] for row in rows}
    assert pairs == {one: other for pair in (SAME, TWIN) for one, other in (pair, pair[::-1])}
    assert {row["path"] for row in rows[:2]} == set(SAME), "though prepare left them out"
    assert {row["suggested"] for row in rows[:2]} == {"stripes"}


def test_what_to_label_next_has_no_label_yet_and_is_spread(there: Path) -> None:
    rows = findings()["label next"]
    assert len(rows) == 4
    assert {row["class"] for row in rows} == {""}
    assert {row["path"] for row in rows} <= {f"{index}.png" for index in range(9)}


def test_every_used_image_is_embedded_and_each_other_image_once(there: Path) -> None:
    used = pq.read_table("data/prepared/samples.parquet", filters=[("status", "==", "used")])
    assert sorted(len(np.load(file)) for file in CACHE.iterdir()) == [9, len(used) + len(SAME)]


def test_embeddings_are_computed_once_and_tables_are_equal_bytes(there: Path) -> None:
    outputs = [Path("metrics/review.csv"), Path("data/reports/review.html")]
    before = [path.read_bytes() for path in outputs]
    kept = {file: file.stat().st_mtime_ns for file in CACHE.iterdir()}
    assert review(unlabelled="new", count=4) == 0
    assert {file: file.stat().st_mtime_ns for file in CACHE.iterdir()} == kept
    assert [path.read_bytes() for path in outputs] == before


def test_what_visitors_said_is_suggested_where_it_is_another_class(there: Path) -> None:
    samples = pq.read_table("data/prepared/samples.parquet").to_pylist()
    first, second, unknown = [one for one in samples if one["class"] == "disc"][:3]
    said = {first["image_sha256"]: "stripes", second["image_sha256"]: "disc", "0": "frame"}
    rows = [
        {"prediction_id": str(number), "actual": name, "verified": True, "image_sha256": image}
        for number, (image, name) in enumerate([*said.items(), (unknown["image_sha256"], "car")])
    ]
    Path("log").mkdir()
    Path("log/feedback.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    outputs = {"table": Path("other.csv"), "page": Path("other.html")}
    assert review(feedback="log", **outputs) == 0
    found = csv.DictReader(outputs["table"].read_text().splitlines())
    [row] = [row for row in found if row["kind"] == "visitor"]
    assert (row["path"], row["class"], row["suggested"]) == (first["path"], "disc", "stripes")
    assert '"visitor"' in outputs["page"].read_text()
    for path in outputs.values():
        path.unlink()


def test_a_correction_is_not_suggested_again(reviewed: Path, tmp_path: Path) -> None:
    rows = csv.DictReader((reviewed / "metrics/review.csv").read_text().splitlines())
    wrong = next(row for row in rows if row["path"] == WRONG[0])
    Path("data").mkdir()
    Path("data/corrections.csv").write_text(
        "image_sha256,path,given,corrected\n"
        f"{wrong['image_sha256']},{wrong['path']},{wrong['class']},{wrong['suggested']}\n"
    )
    assert run_stage("prepare", source=reviewed / "shapes", corrections="data/corrections.csv") == 0
    assert review() == 0
    assert WRONG[0] not in {row["path"] for row in findings()["label error"]}
    assert WRONG[0] in Path("data/reports/review.html").read_text()  # the correction is handed on


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prepared": "nowhere"}, "nowhere/dataset.json: not there; run `dvc repro prepare`"),
        ({"unlabelled": "nowhere"}, "--unlabelled=nowhere: no folder; give one with images"),
        ({"unlabelled": "shapes/disc"}, "--unlabelled=shapes/disc: no readable image that has no"),
        ({"feedback": "nowhere"}, "--feedback=nowhere: not there; `make snapshot-log` makes data/"),
        ({"corrections": "made.csv"}, "made.csv: row 1: disc/x.png is not corrected yet; run `dvc"),
    ],
)
def test_what_cannot_be_reviewed_is_refused_and_nothing_is_written(
    there: Path, changes: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("made.csv").write_text("image_sha256,path,given,corrected\n0,disc/x.png,disc,frame\n")
    outputs = {"table": Path("other.csv"), "page": Path("other.html")}
    assert review(**changes, **outputs) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1
    assert not any(path.exists() for path in outputs.values())


def test_random_weights_are_refused(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert review(weights="none") == 2
    assert "train.weights=none: what random weights see says nothing" in capsys.readouterr().err
