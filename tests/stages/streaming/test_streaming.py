"""Shards that no disk holds together: each image once an epoch, in an order that comes back."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.errors import UserError
from stages.data.shards import shard_name
from stages.sources.bucket import _client, objects, open_object
from stages.streaming.plan import plan, together
from stages.streaming.shards import StreamedImages
from stages.training.distributed import ProcessGroup
from tests.kit.bucket import Emulator, emulate
from tests.kit.clone import ENVIRONMENT
from tests.kit.stage import ROOT

IMAGES, SHARDS, EACH = 75, 8, 10  # the last shard has 5


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with emulate() as running:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running.url)
        _client.cache_clear()
        yield running
    _client.cache_clear()


def places() -> tuple[np.ndarray, np.ndarray]:
    shards, indices = np.divmod(np.arange(IMAGES), EACH)
    return shards, indices


def write_shards(folder: Path) -> Path:
    """Write images whose first two bytes are their number."""
    folder.mkdir()
    pixels = np.zeros((IMAGES, 4, 4, 3), np.uint8)
    pixels[:, 0, 0, 0], pixels[:, 0, 0, 1] = np.divmod(np.arange(IMAGES), 256)
    for number in range(SHARDS):
        np.save(folder / shard_name(number), pixels[number * EACH : (number + 1) * EACH])
    return folder


def streamed(disk: Path, bucket: Path) -> StreamedImages:
    def fetch(name: str, draft: Path) -> None:
        shutil.copyfile(bucket / name, draft)

    shards, indices = places()
    return StreamedImages(disk, fetch, shards=shards, indices=indices)


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
@pytest.mark.parametrize("keep", [1, 2, 100])
def test_each_image_is_in_one_part_of_few_shards(processes: int, keep: int) -> None:
    shards, _ = places()
    parts = plan(shards, processes=processes, keep=keep, rng=np.random.default_rng(3))
    assert sorted(np.concatenate([part for run in parts for part in run])) == list(range(IMAGES))
    assert max(len(np.unique(shards[part])) for run in parts for part in run) <= keep
    lengths = [sum(map(len, run)) for run in parts]
    assert max(lengths) - min(lengths) <= 1
    for run in parts:
        of_run = [set(shards[part].tolist()) for part in run]
        assert sum(map(len, of_run)) == len(set.union(*of_run)), "no shard is fetched twice"
        assert len(set.union(*of_run)) <= -(-SHARDS // processes) + 2


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_a_batch_is_shared_so_that_each_process_has_its_own_parts(processes: int) -> None:
    shards, _ = places()
    parts = plan(shards, processes=processes, keep=2, rng=np.random.default_rng(4))
    order = together(parts)
    for rank in range(processes):
        one = ProcessGroup(None, rank, processes)  # type: ignore[arg-type]
        bounds = one.batch_bounds(IMAGES, 12, least=2)
        shown = np.concatenate([one.share(order[start:end]) for start, end in bounds])
        assert shown.tolist() == np.concatenate(parts[rank]).tolist()


def test_another_epoch_has_other_shards_and_the_same_epoch_the_same() -> None:
    shards, _ = places()
    first, again, other = (
        plan(shards, processes=2, keep=2, rng=np.random.default_rng([0, epoch]))
        for epoch in (1, 1, 2)
    )
    assert together(first).tolist() == together(again).tolist()
    assert set(shards[first[0][0]]) != set(shards[other[0][0]])


def test_an_image_that_is_not_due_is_one_line(tmp_path: Path) -> None:
    shards, _ = places()
    parts = plan(shards, processes=2, keep=2, rng=np.random.default_rng(5))
    images = streamed(tmp_path / "disk", write_shards(tmp_path / "bucket"))
    images.begin(parts[0])
    with pytest.raises(UserError, match=r"set train\.batch_size to a multiple of the numb"):
        images.take(parts[1][-1])


def test_a_shard_that_is_not_there_stops_the_reading_and_leaves_no_half(tmp_path: Path) -> None:
    bucket = write_shards(tmp_path / "bucket")
    (bucket / shard_name(3)).unlink()
    shards, _ = places()
    [parts] = plan(shards, processes=1, keep=2, rng=np.random.default_rng(6))
    images = streamed(tmp_path / "disk", bucket)
    images.begin(parts)
    with pytest.raises(FileNotFoundError):
        images.take(np.concatenate(parts))
    assert not list((tmp_path / "disk").glob(".*"))


def test_shards_in_a_bucket_come_and_go(tmp_path: Path, emulator: Emulator) -> None:
    for file in sorted(write_shards(tmp_path / "local").iterdir()):
        emulator.upload(f"cars/{file.name}", file.read_bytes())
    there = {Path(one.address).name: one.file for one in objects("gs://photographs/cars")}

    def fetch(name: str, draft: Path) -> None:
        with open_object(there[name]) as source, draft.open("wb") as target:
            shutil.copyfileobj(source, target)

    shards, indices = places()
    images = StreamedImages(tmp_path / "disk", fetch, shards=shards, indices=indices)
    [parts] = plan(shards, processes=1, keep=2, rng=np.random.default_rng(7))
    images.begin(parts)
    for part in parts:
        assert images.take(part)[:, 0, 0, 1].tolist() == part.tolist()
        assert len(list((tmp_path / "disk").iterdir())) <= 4


def shown(folder: Path, first: int, last: int) -> list[dict[str, Any]]:
    """Return what two processes are shown that meet by gloo."""
    done = subprocess.run(
        ["torchrun", "--nproc-per-node=2", "-m", "tests.stages.streaming.rank",
         str(folder), str(first), str(last)],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"from {first}, {rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.slow
def test_two_processes_see_each_image_once_from_disks_of_half_and_go_on_in_the_same_order(
    tmp_path: Path,
) -> None:
    write_shards(tmp_path / "bucket")
    np.save(tmp_path / "places.npy", places())
    both = shown(tmp_path, 1, 3)
    assert all(one["most"] <= SHARDS // 2 for one in both)
    for epoch in ("1", "2", "3"):
        assert sorted(both[0]["shown"][epoch] + both[1]["shown"][epoch]) == list(range(IMAGES))
    assert len({tuple(both[0]["shown"][epoch]) for epoch in ("1", "2", "3")}) == 3
    gone_on = shown(tmp_path, 2, 3)
    for before, after in zip(both, gone_on, strict=True):
        assert after["shown"] == {epoch: before["shown"][epoch] for epoch in ("2", "3")}
