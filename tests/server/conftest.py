from collections.abc import Iterator
from pathlib import Path

import pytest

from server.model.classifier import Classifier
from tests.kit.live import Live, serve


@pytest.fixture(scope="module")
def live(
    model: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Live]:
    """A server of `model` for all tests of a module, with the settings that its SETTINGS name."""
    settings = getattr(request.module, "SETTINGS", {})
    with serve(tmp_path_factory.mktemp("live"), model, **settings) as live:
        yield live


@pytest.fixture
def own(model: Path) -> Classifier:
    """A classifier that a test may break."""
    return Classifier(model)
