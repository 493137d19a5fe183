"""CPU quotas, in trees as Linux shows them, on a machine of 64 cores."""

import os
from pathlib import Path

import pytest

from server.inference.cores import busy_threads, cores


@pytest.fixture(autouse=True)
def _many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64), raising=False)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")
    return root


def version_1(folder: str, quota: int, period: int = 100_000) -> dict[str, str]:
    return {f"{folder}/cpu.cfs_quota_us": str(quota), f"{folder}/cpu.cfs_period_us": str(period)}


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("150000 100000", 2),
        ("20000 100000", 1),
        ("max 100000", 64),
        ("9900000 100000", 64),
        ("", 64),
        ("100000 0", 64),
    ],
)
def test_version_2_in_a_namespace_of_its_own(tmp_path: Path, quota: str, expected: int) -> None:
    tree = {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": quota}
    assert cores(write(tmp_path, tree)) == expected


@pytest.mark.parametrize(
    ("own", "parent", "expected"),
    [("max 100000", "300000 100000", 3), ("200000 100000", "300000 100000", 2)],
)
def test_version_2_nested_the_least_quota_counts(
    tmp_path: Path, own: str, parent: str, expected: int
) -> None:
    tree = {
        "proc/self/cgroup": "0::/kube.slice/pod.slice/server.scope",
        "sys/fs/cgroup/kube.slice/cpu.max": "800000 100000",
        "sys/fs/cgroup/kube.slice/pod.slice/cpu.max": parent,
        "sys/fs/cgroup/kube.slice/pod.slice/server.scope/cpu.max": own,
    }
    assert cores(write(tmp_path, tree)) == expected


@pytest.mark.parametrize(("quota", "expected"), [(250_000, 3), (-1, 64)])
@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
def test_version_1(tmp_path: Path, folder: str, quota: int, expected: int) -> None:
    tree = {"proc/self/cgroup": "4:memory:/\n3:cpu,cpuacct:/"}
    tree |= version_1(f"sys/fs/cgroup/{folder}", quota)
    assert cores(write(tmp_path, tree)) == expected


def test_version_1_nested_beside_an_empty_version_2(tmp_path: Path) -> None:
    tree = {"proc/self/cgroup": "2:cpu:/docker/a1\n1:cpuset:/\n0::/docker/a1"}
    tree |= version_1("sys/fs/cgroup/cpu", -1)
    tree |= version_1("sys/fs/cgroup/cpu/docker/a1", 200_000, 50_000)
    assert cores(write(tmp_path, tree)) == 4


def test_a_container_that_proc_names_as_the_host_does(tmp_path: Path) -> None:
    """Its own group is the mount; the folders of the host are not there."""
    tree = {"proc/self/cgroup": "2:cpu:/docker/a1"} | version_1("sys/fs/cgroup/cpu", 200_000)
    assert cores(write(tmp_path, tree)) == 2
    outside = {"proc/self/cgroup": "0::/../../b", "sys/fs/cgroup/cpu.max": "300000 100000"}
    assert cores(write(tmp_path / "outside", outside)) == 3


@pytest.mark.parametrize("groups", [None, "", "rubbish", "1:cpu"])
def test_without_cgroups_or_with_strange_ones_all_cores_count(
    tmp_path: Path, groups: str | None
) -> None:
    assert cores(write(tmp_path, {} if groups is None else {"proc/self/cgroup": groups})) == 64


@pytest.mark.parametrize(("each", "expected"), [(1, 65), (8, 9), (63, 1), (64, 1), (100, 1)])
def test_one_thread_more_than_fit(each: int, expected: int) -> None:
    assert busy_threads(each) == expected
