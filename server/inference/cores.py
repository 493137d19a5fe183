"""The processor cores that this process may use."""

import math
import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")


def cores(quota: Path = QUOTA) -> int:
    """Return the cores of the affinity mask, or of the container's CPU quota where it is less.

    `quota`: the `cpu.max` of cgroup v2: microseconds a period, or `max` (Linux, Documentation/
    admin-guide/cgroup-v2.rst).
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    allowed = affinity or 1
    try:
        share, period = quota.read_text().split()
        return max(1, min(allowed, math.ceil(int(share) / int(period))))
    except (OSError, ValueError):  # no cgroup, or no limit in it
        return allowed
