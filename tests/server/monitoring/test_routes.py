import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from playwright.sync_api import expect

from tests.kit.artefact import write_pixel_artefact
from tests.kit.browser import browser
from tests.kit.drawing import draw_folder, photograph
from tests.kit.live import Live, serve
from tests.kit.stage import ROOT

PATHS = ("/monitoring", "/monitoring.json")
KEY = {"X-API-Key": "secret"}


def ask(live: Live, folder: Path) -> None:
    """Let it predict every image of a folder."""
    for file in sorted(folder.rglob("*.*")):
        answer = live.client.post("/predict", content=file.read_bytes(), headers=KEY)
        answer.raise_for_status()


def report(live: Live, path: str = "/monitoring.json") -> httpx2.Response:
    """Ask until there is a report; where others are busy it waits for its turn."""
    for _ in range(2400):
        answer = live.client.get(path, headers=KEY)
        if answer.status_code != 503:
            return answer
        assert int(answer.headers["Retry-After"]) > 0
        time.sleep(0.1)
    raise AssertionError(answer.text)


def helpers(live: Live) -> list[psutil.Process]:
    return psutil.Process(live.process.pid).children()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_folder(tmp_path_factory.mktemp("asked") / "images", per_class=8)


@pytest.fixture(scope="module")
def live(model: Path, images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that its own model shadows, after some answers."""
    settings = {"API_KEYS": "secret", "SHADOW": str(model)}
    with serve(tmp_path_factory.mktemp("live"), model, **settings) as live:
        ask(live, images)
        while live.client.get("/health").json()["shadow"]["answers"] < len(live.rows()) / 2:
            time.sleep(0.01)
        yield live


def test_a_report_is_made_beside_the_server_by_one_polite_process_without_secrets(
    live: Live,
) -> None:
    for path in PATHS * 3:
        answer = live.client.get(path, headers=KEY)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
    [helper] = helpers(live)
    assert not any(name.startswith("SERVER_") for name in helper.environ())
    while helper.nice() != 19 or len(helper.cpu_affinity()) > 1:
        time.sleep(0.01)
    assert live.client.post("/predict", content=photograph(), headers=KEY).status_code == 200


def test_the_verdicts_are_of_the_rows_in_the_log(live: Live) -> None:
    verdicts = report(live).json()
    rows = [row for row in live.rows() if "shadow_of" not in row]
    assert verdicts["current_rows"] in (len(rows), len(rows) - 1)
    assert set(verdicts["models"]) == {rows[0]["model"]}
    assert set(verdicts["columns"]) >= {"brightness", "confidence", "class"}
    drifted = [one["drifted"] for one in verdicts["columns"].values()]
    assert verdicts["share_drifted"] == pytest.approx(sum(drifted) / len(drifted), abs=1e-6)
    metrics = live.client.get("/metrics").text
    assert f"monitoring_share_drifted {float(verdicts['share_drifted'])}" in metrics


def test_the_answers_of_a_shadow_are_shown_and_not_judged(live: Live) -> None:
    verdicts = report(live).json()
    about = live.client.get("/health").json()["shadow"]
    assert verdicts["shadow"] == {**about, "disagreements": {}}
    assert about["agreement"] == 1
    assert f"{about['answers']:,} rows of a shadow are left out" in verdicts["notes"]
    line = f"shadow {about['model']}: {about['answers']:,} answers, 100.0% with the same class"
    assert line in report(live, "/monitoring").text


def test_the_page_may_run_its_own_scripts_and_neither_load_nor_send(live: Live) -> None:
    page = report(live, "/monitoring")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts")
    assert "default-src 'none'" in policy
    assert "allow-same-origin" not in policy
    assert page.headers["content-type"].startswith("text/html")
    assert "brightness" in page.text


REFUSED = """async url => {
    const refused = []
    addEventListener('securitypolicyviolation', event => refused.push(event.effectiveDirective))
    await fetch(url, {mode: 'no-cors'}).catch(() => {})
    const image = new Image()
    await new Promise(done => { image.onload = image.onerror = done; image.src = url })
    return refused
}"""


def test_in_a_browser_the_page_draws_and_can_neither_load_nor_send(live: Live) -> None:
    report(live)
    with browser() as chromium:
        page = chromium.new_page(extra_http_headers=KEY)
        page.goto(f"{live.url}/monitoring")
        expect(page.get_by_text("brightness").first).to_be_visible(timeout=30_000)
        assert page.evaluate("self.origin") == "null"
        assert page.evaluate(REFUSED, f"{live.url}/health") == ["connect-src", "img-src"]


def test_a_report_is_kept(live: Live) -> None:
    first = report(live).json()
    live.client.post("/predict", content=photograph(), headers=KEY).raise_for_status()
    again = live.client.get("/monitoring.json", headers=KEY).json()
    assert {**again, "shadow": first["shadow"]} == first
    assert helpers(live) == []


@pytest.mark.parametrize("path", PATHS)
def test_keys_are_asked_for(live: Live, path: str) -> None:
    assert live.client.get(path).status_code == 401


def test_too_few_rows_are_said_and_a_broken_reference_is_no_end(
    model: Path, images: Path, tmp_path: Path
) -> None:
    reference = tmp_path / "reference.parquet"
    reference.write_text("rubbish")
    with serve(tmp_path / "live", model, REFERENCE=str(reference), DRAIN="0.1") as live:
        broken = report(live)
        assert broken.status_code == 500
        assert "logged" in broken.json()["detail"]
        assert any("Parquet" in line.get("problem", "") for line in live.logged())
        reference.write_bytes((model.parent / "reference.parquet").read_bytes())
        verdicts = report(live).json()
    assert (verdicts["alarm"], verdicts["columns"]) == (False, {})
    assert verdicts["notes"] == ["nothing is judged: current rows: 0, at least 10 are needed"]


def test_a_server_that_ends_takes_its_report_along(model: Path, tmp_path: Path) -> None:
    with serve(tmp_path, model) as live:
        assert live.client.get("/monitoring").status_code == 503
        [helper] = helpers(live)
        assert live.stop() == 0
        psutil.wait_procs([helper], timeout=5)
        assert not helper.is_running()


def test_without_a_reference_the_cure_is_named(tmp_path: Path) -> None:
    model = write_pixel_artefact(tmp_path / "model.onnx")
    with serve(tmp_path / "live", model) as live:
        for path in PATHS:
            answer = live.client.get(path)
            assert answer.status_code == 501
            assert "set SERVER_REFERENCE" in answer.json()["detail"]


WITHOUT = """
import sys
from pathlib import Path
from starlette.testclient import TestClient
from server.app import create_app
from server.model.classifier import Classifier
from server.settings import Settings
model = Path(sys.argv[1])
app = create_app(Classifier(model), Settings(model=model, prediction_log="off"))
with TestClient(app) as client:
    answer = client.get("/monitoring")
    print(answer.status_code, answer.json()["detail"])
"""


def test_without_evidently_the_cure_is_named(model: Path, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith("evidently"):
            (packages / entry.name).symlink_to(entry)
    run = subprocess.run(
        [sys.executable, "-S", "-c", WITHOUT, model],
        env={"PYTHONPATH": f"{ROOT}:{packages}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "501 evidently not installed here; pip install evidently" in run.stdout, run.stderr
