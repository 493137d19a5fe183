"""Structures that nobody sends in good faith; `tests/server/image/fuzz_structures.py` says how."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from server.image import limits
from tests.kit.fuzz.structure import draw_structure
from tests.kit.stage import ROOT
from tests.kit.structures import jpeg
from tests.server.image.fuzz_structures import find

SECONDS = 120


def fuzz(folder: Path, *, seed: int, seconds: float) -> tuple[list[str], str]:
    """Return what was found, and how the fuzzer ended."""
    module = "tests.server.image.fuzz_structures"
    run = subprocess.run(
        [sys.executable, "-m", module, str(seed), str(seconds), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = run.stdout.splitlines()
    if run.returncode:
        killer = (folder / "current.txt").read_text()
        return [*lines, f"{killer} ended it"], f"code {run.returncode}: {run.stderr[-500:]}"
    return lines[:-1], lines[-1]


@pytest.mark.slow
@pytest.mark.timeout(5 * SECONDS)
def test_no_structure_costs_more_than_a_photograph(tmp_path: Path) -> None:
    seed = random.randrange(10**9)
    found, end = fuzz(tmp_path, seed=seed, seconds=SECONDS)
    assert not found, f"from seed {seed}, files in {tmp_path}: {found}; {end}"
    assert json.loads(end)["structures"] > SECONDS / 4
    print(f"{end} from seed {seed}")


@pytest.mark.slow
def test_the_fuzzer_tells_what_costs_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    data = jpeg(1_500, 1_500, refinements=2_500)
    assert not find(data)  # refused
    monkeypatch.setattr(limits, "MAX_NANOSECONDS", 10**12)
    assert "s of CPU" in find(data)


def test_equal_seeds_draw_equal_structures_of_each_format() -> None:
    drawn = [draw_structure(seed) for seed in range(60)]
    assert drawn == [draw_structure(seed) for seed in range(60)]
    kinds = {about.split()[0] for about, _ in drawn}
    assert kinds == {
        "jpeg",
        "png",
        "gif",
        "bmp",
        "tiff",
        "webp",
        "vp8l",
        "heif",
        "avif",
        "profiled",
    }
