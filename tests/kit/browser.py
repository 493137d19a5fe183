"""A real browser."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

NAMES = ("chromium", "google-chrome")  # Debian's; what GitHub's runners have

expect.set_options(timeout=20_000)  # milliseconds; five seconds are few beside other tests


def chromium() -> str:
    """Return Chromium's path, or skip; never in CI."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found and not os.environ.get("CI"):
        pytest.skip("no chromium on this machine: apt install chromium")
    assert found
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """Run Debian's Chromium; Playwright's own is not downloaded."""
    path = chromium()
    with sync_playwright() as driver:
        # CI runs as root, which Chromium's sandbox refuses
        running = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()
