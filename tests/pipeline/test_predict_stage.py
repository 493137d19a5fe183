"""`stages.predict` as a stage, as stages/README.md declares it."""

import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from tests.kit.artefact import coloured, write_colour_artefact
from tests.kit.clone import call, git
from tests.kit.stage import ROOT
from tests.pipeline.test_dvc_yaml import covers, imported, is_code

TEXT = (ROOT / "stages/README.md").read_text()
[DECLARED] = re.findall(r"^```yaml\n(  predict:\n.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
STAGE: dict[str, Any] = yaml.safe_load(DECLARED)["predict"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the code, an artefact, an image, and this stage alone."""
    folder = tmp_path / "repository"
    for name in ("server", "stages"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / "data/new").mkdir(parents=True)
    (folder / "data/model").mkdir()
    shutil.copy(ROOT / ".dvcignore", folder)
    coloured("lime").save(folder / "data/new/1.png")
    write_colour_artefact(folder / "data/model/model.onnx")
    (folder / "dvc.yaml").write_text(f"stages:\n{DECLARED}")
    git(folder, "init", "-q")
    call(folder, "dvc", "init", "-q")
    return folder


def test_dvc_runs_it_when_an_image_is_new_and_not_else(repository: Path) -> None:
    call(repository, "dvc", "repro")
    assert "didn't change, skipping" in call(repository, "dvc", "repro")
    coloured("blue").save(repository / "data/new/2.png")
    assert "predict: 2 files: 2 answered" in call(repository, "dvc", "repro")
    answers = pq.read_table(repository / "data/answers.parquet")
    assert answers["class"].to_pylist() == ["green", "blue"]


def test_its_dependencies_are_what_it_imports() -> None:
    code = list(filter(is_code, STAGE["deps"]))
    files = imported("predict")
    for file in files:
        assert sum(covers(path, file) for path in code) == 1, file
    for path in code:
        assert any(covers(path, file) for file in files), path
