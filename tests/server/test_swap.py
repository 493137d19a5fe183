"""A new model takes over without a gap; one that is not sound changes nothing, and is explained."""

import hashlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, Self

import httpx2
import jsonschema
import onnx
import pytest

from server.image.decode import decode
from server.model.classifier import Classifier
from tests.kit.artefact import COLOURS, coloured, write_colour_artefact
from tests.kit.bucket import emulate
from tests.kit.drawing import encoded
from tests.kit.live import Live, serve
from tests.server.test_stuck import SECONDS

IMAGES = [encoded(coloured(name)) for name in COLOURS]
OFTEN = "0.02"  # seconds between two looks
CLIENTS, SWAPS = 4, 20
V2 = "/v2/models/model"


def put(path: Path, **changes: Any) -> str:
    """Put an artefact in the place of another one, at once; return its name."""
    write_colour_artefact(draft := path.with_suffix(".draft"), **changes)
    name = hashlib.sha256(draft.read_bytes()).hexdigest()[:12]
    draft.replace(path)
    return name


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def served(live: Live) -> str:
    return live.client.get("/health").json()["model"]


def refused(live: Live) -> str | None:
    return live.client.get("/health").json().get("refused_model")


def swaps(live: Live, outcome: str) -> float:
    shown = live.client.get("/metrics").text
    found = re.search(rf'^model_swaps_total{{outcome="{outcome}"}} (.+)$', shown, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


@contextmanager
def watching(path: Path, **settings: str) -> Iterator[Live]:
    with serve(path.parent / "live", path, **{"MODEL_WATCH": OFTEN, **settings}) as live:
        assert live.client.get("/health/ready").status_code == 200
        yield live


class Load:
    """Clients who ask by all doors until they are told to stop; what is not answered is lost."""

    def __init__(self, url: str) -> None:
        self.url, self.lost = url, []
        self.answers: list[tuple[int, dict[str, Any]]] = []  # with the number of the image
        self._enough = threading.Event()

    def _ask(self, number: int) -> None:
        files = [("images", image) for image in IMAGES]
        with httpx2.Client(base_url=self.url, timeout=30) as client:
            while not self._enough.is_set():
                image = number % len(IMAGES)
                try:
                    one = client.post("/predict", content=IMAGES[image])
                    batch = client.post("/predict_batch", files=files)
                    self.answers.append((image, one.raise_for_status().json()))
                    several = batch.raise_for_status().json()
                except httpx2.HTTPError as error:
                    self.lost.append(repr(error))
                    continue
                assert {each["model"] for each in several["results"]} == {several["model"]}
                self.answers += enumerate(several["results"])

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._asking = [self._pool.submit(self._ask, number) for number in range(CLIENTS)]
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for one in self._asking:
            one.result()


def test_under_load_each_answer_is_of_the_model_that_it_names(path: Path) -> None:
    models = {}
    for sharpness in (16, 64):
        name = put(path, sharpness=sharpness)
        classifier = Classifier(path)
        models[name] = [
            classifier.probabilities(classifier.resizer(decode(image).picture)[None])[0].tolist()
            for image in IMAGES
        ]
    with watching(path) as live, Load(live.url) as load:
        for count, sharpness in zip(range(1, SWAPS + 1), cycle((16, 64)), strict=False):
            name = put(path, sharpness=sharpness)
            wait_for(lambda name=name: served(live) == name)
            assert swaps(live, "served") == count
    assert not load.lost
    assert {answer["model"] for _, answer in load.answers} == set(models)
    for image, answer in load.answers:
        assert list(answer["probabilities"].values()) == models[answer["model"]][image]
    rows = {row["id"]: row for row in live.rows()}
    for _, answer in load.answers:
        assert rows[answer["id"]]["model"] == answer["model"]


def test_what_is_under_way_is_finished_by_the_old_model(path: Path) -> None:
    write_colour_artefact(path, slow=True)
    with watching(path, RUNNERS="2", DEADLINE="30") as live, ThreadPoolExecutor(1) as pool:
        old = served(live)
        waiting = pool.submit(live.client.post, "/predict", content=SECONDS)
        wait_for(lambda: live.client.get("/health").json()["queue"]["images"] == 1)
        new = put(path)
        wait_for(lambda: served(live) == new)
        assert live.client.post("/predict", content=IMAGES[0]).json()["model"] == new
        assert not waiting.done()
        answer = waiting.result()
        assert (answer.status_code, answer.json()["model"]) == (200, old)
        assert {row["model"] for row in live.rows()} == {old, new}


def test_a_server_that_is_killed_in_the_middle_of_a_swap_starts_with_a_whole_model(
    path: Path,
) -> None:
    names = {put(path, sharpness=sharpness) for sharpness in (16, 64)}
    enough = threading.Event()

    def swap() -> None:
        for sharpness in cycle((16, 64)):
            put(path, sharpness=sharpness)
            if enough.wait(0.01):
                return

    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        writing = pool.submit(swap)
        stack.callback(enough.set)
        for count in range(1, 4):
            with watching(path, MODEL_WATCH="0.001") as live:
                assert served(live) in names
                wait_for(lambda live=live, count=count: swaps(live, "served") >= count)
                assert live.stop(signal.SIGKILL) == -signal.SIGKILL
    writing.result()


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    path = tmp_path_factory.mktemp("steady") / "model.onnx"
    put(path)
    with watching(path) as live:
        yield live


def spoil(path: Path, how: str) -> None:
    """Put something in the place of the model that must not be served."""
    draft = path.with_suffix(".draft")
    match how:
        case "torn":
            draft.write_bytes(write_colour_artefact(draft).read_bytes()[:-200])
        case "foreign":
            draft.write_bytes(b"text")
        case "classes":
            write_colour_artefact(draft, classes=["red", "green", "bus"])
        case "order":
            write_colour_artefact(draft, classes=["blue", "green", "red"])
        case "promise":
            write_colour_artefact(draft, golden_probabilities=[0.5, 0.25, 0.25])
        case "network":
            model = onnx.load(write_colour_artefact(draft))
            [zero] = [one for one in model.graph.initializer if one.name == "sharpness"]
            zero.float_data[:] = [0]
            onnx.save(model, draft)
        case "metadata":
            write_colour_artefact(draft, abstain_threshold=7)
        case "folder":
            draft.symlink_to(path.parent)
        case "none":
            path.unlink()
            return
    draft.replace(path)


@pytest.mark.parametrize(
    ("how", "outcome", "why"),
    [
        ("torn", "artefact", "not an ONNX model"),
        ("foreign", "artefact", "not an ONNX model (4 bytes)"),
        ("classes", "classes", "other classes than those served (blue, bus); set SERVER_ALLOW_"),
        ("order", "classes", "(their order)"),
        ("promise", "golden image", "the golden image's probabilities differ by 0.5"),
        ("network", "golden image", "the network fails: FloatingPointError"),
        ("metadata", "artefact", "metadata abstain_threshold=7: must be a number from 0 to 1"),
        ("folder", "unreadable", "cannot be read (Is a directory)"),
        ("none", "unreadable", "cannot be read (No such file or directory)"),
    ],
)
def test_what_is_not_sound_changes_nothing_and_is_explained(
    steady: Live, how: str, outcome: str, why: str
) -> None:
    path = steady.folder.parent / "model.onnx"
    before, count = served(steady), swaps(steady, outcome)
    spoil(path, how)
    wait_for(lambda: refused(steady) is not None)
    about = steady.client.get("/health").json()
    document = steady.client.get("/openapi.json").json()
    jsonschema.validate(about, document["components"]["schemas"]["Health"])
    assert why in about["refused_model"]
    assert str(path) not in about["refused_model"]
    assert (about["status"], about["ready"], about["model"]) == ("degraded", True, before)
    assert steady.client.post("/predict", content=IMAGES[0]).json()["model"] == before
    assert swaps(steady, outcome) > count
    [line] = [line for line in steady.lines(message="model refused") if why in line["problem"]]
    assert line["file"] == str(path)
    put(path)
    wait_for(lambda: refused(steady) is None)
    assert steady.client.get("/health").json()["status"] == "ok"
    assert served(steady) == before


def test_a_bad_file_is_read_and_logged_once(path: Path) -> None:
    put(path)
    with watching(path) as live:
        spoil(path, "foreign")
        wait_for(lambda: refused(live) is not None)
        time.sleep(10 * float(OFTEN))
        assert swaps(live, "artefact") == 1
        assert len(live.lines(message="model refused")) == 1


def test_another_sha256_than_the_one_asked_for_is_not_served(path: Path) -> None:
    name = put(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with watching(path, MODEL_SHA256=digest) as live:
        put(path, sharpness=64)
        wait_for(lambda: refused(live) is not None)
        assert f"SERVER_MODEL_SHA256 asks for {digest}" in refused(live)
        assert served(live) == name


def test_new_classes_are_served_where_they_are_allowed(path: Path) -> None:
    put(path)
    classes = ["red", "green", "bus"]
    with watching(path, ALLOW_NEW_CLASSES="on", FEEDBACK="on") as live:
        before = live.client.get("/openapi.json").json()
        name = put(path, classes=classes)
        wait_for(lambda: served(live) == name)
        answer = live.client.post("/predict", content=IMAGES[2]).json()
        assert (list(answer["probabilities"]), answer["class"]) == (classes, "bus")
        assert live.client.get("/classes").json() == {"classes": classes}
        after = live.client.get("/openapi.json").json()
        assert json.dumps(before).replace("blue", "bus") == json.dumps(after)
        said = {"id": answer["id"], "class": "bus"}
        assert live.client.post("/feedback", json=said).json()["verified"]


def test_a_model_of_another_size_is_served_and_the_old_version_is_gone(path: Path) -> None:
    old = put(path)
    with watching(path) as live:
        new = put(path, size=48)
        wait_for(lambda: served(live) == new)
        about = live.client.get(V2).json()
        assert about["versions"] == [new]
        assert about["inputs"][0]["shape"] == [-1, 48, 48, 3]
        pixels = {"name": "images", "datatype": "UINT8", "shape": [1, 48, 48, 3]}
        asked = {"inputs": [{**pixels, "data": [200] * 48 * 48 * 3}]}
        answer = live.client.post(f"{V2}/versions/{new}/infer", json=asked).json()
        assert answer["model_version"] == new
        gone = live.client.post(f"{V2}/versions/{old}/infer", json=asked)
        assert (gone.status_code, gone.json()) == (
            404,
            {"error": f"no such version; {new} is served"},
        )
        assert live.client.post("/predict", content=IMAGES[1]).json()["class"] == "green"
        assert live.client.post("/explain", content=IMAGES[1]).json()["model"] == new
        shown = live.client.get("/metrics").text
        assert f'http_requests_total{{route="{V2}/versions/{new}/infer",status="200"}} 1.0' in shown
        assert re.findall('^model_info.*model="(.{12})"', shown, re.MULTILINE) == [new]


def test_drift_begins_anew_with_a_new_model(path: Path) -> None:
    reference = {"brightness": {"edges": [0.5], "counts": [50, 50]}}
    put(path, reference=reference)
    with watching(path) as live:
        live.client.post("/predict", content=IMAGES[0])
        shown = live.client.get("/metrics").text
        assert "drift_window_predictions 1.0" in shown
        assert 'drift_population_stability_index{column="brightness"}' in shown
        name = put(path, reference={"contrast": reference["brightness"]})
        wait_for(lambda: served(live) == name)
        shown = live.client.get("/metrics").text
        assert "drift_window_predictions 0.0" in shown
        columns = re.findall('^drift_population_.*column="(.+)"', shown, re.MULTILINE)
        assert columns == ["contrast"]


def test_a_signal_asks_for_a_look_without_watching(path: Path) -> None:
    put(path)
    with serve(path.parent / "live", path) as live:
        name = put(path, sharpness=64)
        time.sleep(0.1)
        assert served(live) != name
        live.process.send_signal(signal.SIGHUP)
        wait_for(lambda: served(live) == name)
        live.process.send_signal(signal.SIGHUP)
        assert live.lines(message="the model is the same", model=name)
        assert len(live.lines(2, message="model")) == 2  # the start's, and this
        assert live.stop() == 0


def test_an_object_of_a_bucket_is_watched_by_its_generation(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(path)
    with emulate() as emulator:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
        address = emulator.upload("model.onnx", path.read_bytes())
        with watching(path, MODEL=address) as live:
            name = put(path, sharpness=64)
            emulator.upload("model.onnx", path.read_bytes())
            wait_for(lambda: served(live) == name)
            emulator.upload("model.onnx", b"text")
            wait_for(lambda: refused(live) is not None)
            assert refused(live).startswith("not an ONNX model (4 bytes)")
            emulator.delete("model.onnx")
            wait_for(lambda: refused(live) == "cannot be fetched; the log says why")
            assert served(live) == name
            assert live.lines(file=address, problem="no such object, or no such bucket")


def test_an_end_does_not_wait_for_a_look(path: Path) -> None:
    """A pipe in the place of the file: the look waits in vain for somebody who writes."""
    put(path)
    with watching(path) as live:
        os.mkfifo(draft := path.with_suffix(".pipe"))
        draft.replace(path)
        time.sleep(5 * float(OFTEN))
        began = time.monotonic()
        assert live.stop() == 0
        assert time.monotonic() - began < 8
