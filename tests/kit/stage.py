"""Runs a stage as DVC would: its section of params.yaml as options, and some of them changed."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.cli.command import run

ROOT = Path(__file__).parents[2]
# those of the project, which may be somebody else's, with their own images
PROJECT: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "params.yaml").read_text())
# those that tests run with, whatever the project's are: the defaults, kept by `make parameters`
FIXED: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "tests/kit/params.yaml").read_text())
PARAMS = {section: {**PROJECT[section], **FIXED.get(section, {})} for section in PROJECT}
IS_DEFAULT = PROJECT["prepare"]["source"] == FIXED["prepare"]["source"]
of_default = pytest.mark.skipif(
    not IS_DEFAULT, reason="holds what is committed of the default data; these are other images"
)
TINY = {
    "prepare": {
        "corrections": ROOT / "tests/kit/corrections.csv",  # none, whatever the project has
        "image_size": 64,
        "validation_fraction": 0.25,
        "test_fraction": 0.25,
    },
    "train": {
        "architecture": "test_resnet",
        "weights": "none",
        "epochs": 3,
        "batch_size": 8,
        "lr": 0.01,
        # what auto stands for is learned without a mistake, and some tests look at mistakes
        "flip": "both",
        "turns": "quarter",
        # few and small images are learned in few epochs where they are shown as they are
        "rotation": 0.0,
        "scale": 1.0,
        "color": 0.0,
        "degrade": 0.0,
    },
}
MODULES = {"export": "export_onnx"}


def arguments(options: dict[str, Any]) -> list[str]:
    """Return options in the form that DVC gives them."""
    words = []
    for name, value in options.items():
        if isinstance(value, list):
            words += [word for one in value for word in (f"--{name}", str(one))]
        elif isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        else:
            words += [f"--{name}", str(value)]
    return words


def run_stage(section: str, **changes: Any) -> int:
    """Run a stage in this process and return its exit code."""
    options = {**PARAMS.get(section, {}), **TINY.get(section, {}), **changes}
    module = importlib.import_module(f"stages.{MODULES.get(section, section)}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [section, *arguments(options)])
        with pytest.raises(SystemExit) as stop:
            run(module.main)
    return int(stop.value.code or 0)
