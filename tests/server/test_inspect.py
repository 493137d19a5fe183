import sys
from pathlib import Path

import pytest

from server import inspect
from server.model.classifier import Classifier


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["inspect", *words])
    return inspect.main()


def test_the_card_of_a_file_is_printed(
    built: Path,
    classifier: Classifier,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(monkeypatch, str(built / "data/model/model.onnx")) == 0
    shown = capsys.readouterr().out
    for fact in (classifier.name, "disc, frame, stripes", "test_resnet, fp32", "64 px, squash"):
        assert fact in shown
    assert f"accuracy {classifier.metadata.validation_metrics['accuracy']:.4f}" in shown
    assert classifier.metadata.data_hash in shown


def test_mistakes_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch) == 2
    assert call(monkeypatch, str(tmp_path / "none.onnx")) == 2
    usage, missing = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: python -m server.inspect")
    assert "no model there" in missing
