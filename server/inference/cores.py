"""The processor cores that this process may use."""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/")


def cores(root: Path = ROOT) -> int:
    """Return the cores of the affinity mask, or of the least CPU quota above this process.

    Quotas are those of its control group and of all that hold it, of cgroup v2 and v1, rounded up
    to whole cores (Linux, Documentation/admin-guide/cgroup-v2.rst, scheduler/sched-bwc.rst).

    `root`: where `proc` and `sys` lie.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quotas = [math.ceil(quota) for quota in _quotas(root)]
    return max(1, min([affinity or 1, *quotas]))


def busy_threads(each: int) -> int:
    """Return how many threads, of which each runs networks on `each` cores, keep all of them busy.

    Where several fit it is one more: one of them may have to wait for the GIL.
    """
    fitting = max(1, cores() // each)
    return fitting + (fitting > 1)


def _quotas(root: Path) -> Iterator[float]:
    """Yield the CPU time, in seconds a second, that each control group allows."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no cgroups here
        lines = []
    mounts = root / "sys/fs/cgroup"
    for line in lines or ["0::/"]:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not controllers:  # version 2; beside version 1 it is at `unified`, without quotas
            yield from _readable(_version_2, mounts, group)
        elif "cpu" in controllers.split(","):
            for mount in {mounts / "cpu", mounts / controllers}:
                yield from _readable(_version_1, mount, group)


def _readable(read: Callable[[Path], list[str]], mount: Path, group: str) -> Iterator[float]:
    """Yield what `read` finds in the folder of a group and in those above it, up to the mount.

    A container may see its own group as the mount while `/proc` names it as the host does: folders
    that are not there are passed over.
    """
    parts = [part for part in PurePosixPath(group).parts if part not in ("/", "..")]
    for length in range(len(parts), -1, -1):
        try:
            share, period = read(mount.joinpath(*parts[:length]))
            if int(share) > 0 and int(period) > 0:
                yield int(share) / int(period)
        except (OSError, ValueError):  # not there, or `max`: no limit
            continue


def _version_2(folder: Path) -> list[str]:
    return (folder / "cpu.max").read_text().split()


def _version_1(folder: Path) -> list[str]:
    return [(folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")]
