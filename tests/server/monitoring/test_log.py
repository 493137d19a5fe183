"""Which rows of a log `/monitoring` judges, whoever else writes there, and whatever."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from PIL import Image

from server.drift.log_files import LONGEST
from server.model.classifier import Classifier
from tests.kit.drawing import encoded
from tests.kit.live import Live, serve
from tests.server.drift.test_rows import FOUL
from tests.server.monitoring.test_routes import report

ROWS = 20
NOW = datetime.now(UTC)


def row(number: int, **changes: object) -> dict[str, Any]:
    """A row of another image, so many seconds from now."""
    part = number % 100 / 100
    return {
        "class": "disc",
        "confidence": part,
        "brightness": part,
        "contrast": part / 2,
        "sharpness": part,
        "saturation": part,
        "aspect_ratio": 1 + part,
        "time": (NOW + timedelta(seconds=number)).isoformat(),
        "image_sha256": f"{number:064x}",
        **changes,
    }


def files(model: str) -> dict[str, list[bytes]]:
    """The log of a model which others have written to since, and that holds odd lines."""
    day = f"{NOW:%Y-%m-%d}"
    own = [row(number, model=model) for number in range(30)]
    probes = [row(50 + number, model=model, image_sha256="probe") for number in range(400)]
    odd = [row(99, model=model, brightness=1e308), row(98, model=model, confidence=True)]
    others = [row(1000 + number, model="other") for number in range(2000)]
    wrapped = [{"jsonPayload": row(4000 + number, model="other")} for number in range(100)]
    foul = [*FOUL.values(), b'{"class": "' + b"x" * 2 * LONGEST]
    return {
        f"{day}-b-1.jsonl": [orjson.dumps(one) for one in own],
        f"{day}-a-1.jsonl": [*map(orjson.dumps, probes + odd), *foul],
        f"{day}-c-1.jsonl": [orjson.dumps(one) for one in others],
        "stdout.json": [orjson.dumps(one) for one in wrapped],
    }


@pytest.fixture(scope="module")
def live(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    (folder / "data/predictions").mkdir(parents=True)
    for name, lines in files(Classifier(model).name).items():
        (folder / "data/predictions" / name).write_bytes(b"\n".join(lines) + b"\n")
    with serve(folder, model, MONITORING_ROWS=str(ROWS)) as live:
        yield live


def test_the_newest_images_of_the_own_model_are_judged_and_odd_lines_said(live: Live) -> None:
    answer = report(live)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    counts = {name: found[name] for name in ("current_rows", "distinct_images", "judged_rows")}
    assert counts == {"current_rows": ROWS + 399, "distinct_images": ROWS, "judged_rows": ROWS - 2}
    assert found["models"] == {
        "other": 2100,
        live.client.get("/health").json()["model"]: ROWS + 399,
    }
    times = [datetime.fromisoformat(found[name]) for name in ("from", "to")]
    assert [round((time - NOW).total_seconds()) for time in times] == [13, 449]
    assert {
        f"{len(FOUL) + 1} torn lines are left out",
        "rows of other models are left out: other (2,100)",
        "399 rows repeat an image, of which the last row is judged",
        "brightness: 1 values that are not from 0 to 1 are left out",
        "2 rows without a value in a judged column are left out",
    } <= set(found["notes"])


def test_the_page_says_of_when_and_of_how_many_images_it_is(live: Live) -> None:
    found = report(live).json()
    page = report(live, "/monitoring").text
    assert f"judged: {ROWS - 2} images, of {ROWS + 399} rows" in page
    assert f"from {found['from']} to {found['to']}" in page
    for note in found["notes"]:
        assert note in page


def test_in_memory_too_an_image_counts_once_and_hides_none(model: Path, tmp_path: Path) -> None:
    shades = [encoded(Image.new("RGB", (60, 60), (shade,) * 3)) for shade in range(25)]
    with serve(tmp_path, model, PREDICTION_LOG="stdout", MONITORING_ROWS=str(ROWS)) as live:
        start = datetime.now(UTC)
        for image in [*shades, *[shades[-1]] * 30, shades[0]]:
            live.client.post("/predict", content=image).raise_for_status()
        found = report(live).json()
    assert (found["current_rows"], found["distinct_images"]) == (ROWS + 30, ROWS)
    assert "30 rows repeat an image, of which the last row is judged" in found["notes"]
    assert found["columns"]["brightness"]["drifted"]
    first, last = (datetime.fromisoformat(found[name]) for name in ("from", "to"))
    assert start <= first < last <= datetime.now(UTC)
