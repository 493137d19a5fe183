"""The profiler of training: it takes steps with params.yaml and says where the time goes."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.benchmarks.profile_train import main
from tests.kit.stage import PARAMS, TINY


def test_it_prints_operators_and_the_wait_for_data_and_trains_nothing(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/prepared").symlink_to(built / "data/prepared")
    (tmp_path / "params.yaml").write_text(yaml.dump({"train": PARAMS["train"] | TINY["train"]}))
    main()
    printed = capsys.readouterr().out
    assert "convolution" in printed
    assert re.search(r"8 steps of 8 images in .* of it waiting for data", printed)
    trace = json.loads((tmp_path / "data/timings/train/trace.json").read_text())
    assert len(trace["traceEvents"]) > 100
    assert not (tmp_path / "data/checkpoint").exists()
