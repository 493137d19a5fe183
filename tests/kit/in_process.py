"""The application in the process of a test, so that the test can break a part of it."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.testclient import TestClient

from server.app import create_app
from server.model.classifier import Classifier
from server.settings import Settings
from tests.kit.drawing import draw, encoded

QUIET = Settings(prediction_log="off")
GOLDEN = encoded(draw("disc", 1))


@contextmanager
def serving(
    classifier: Classifier, settings: Settings = QUIET, unseen: Classifier | None = None
) -> Iterator[TestClient]:
    """Yield a client of the application; `unseen`: its shadow."""
    with TestClient(create_app(classifier, settings, unseen)) as client:
        yield client
