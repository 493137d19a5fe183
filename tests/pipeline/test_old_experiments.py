"""Experiments that are shared, and room that old ones take up."""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.kit.clone import call, git

pytestmark = pytest.mark.slow  # minutes of dvc


def make(folder: Path, target: str, *words: str) -> str:
    return call(folder, "make", "--no-print-directory", "-o", ".venv/.installed", target, *words)


def write(folder: Path, text: str) -> str:
    """Version a file of this text by DVC; return where its cache must hold it."""
    (folder / "data/note.txt").write_text(text)
    call(folder, "dvc", "add", "-q", "data/note.txt")
    digest = hashlib.md5(text.encode()).hexdigest()
    return f"{digest[:2]}/{digest[2:]}"


@pytest.fixture(scope="module")
def results(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old") / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    git(folder, "branch", "-M", "main")
    call(folder, "git", "config", "user.name", "test")
    call(folder, "git", "config", "user.email", "test@localhost")
    write(folder, "now")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "results")
    return folder


@pytest.fixture
def folder(results: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(results, tmp_path / "copy", symlinks=True))


def test_an_experiment_is_shared_with_its_data_or_not_at_all(folder: Path, tmp_path: Path) -> None:
    git(folder, "init", "-q", "--bare", str(tmp_path / "hub.git"))
    git(folder, "remote", "set-url", "origin", str(tmp_path / "hub.git"))
    with pytest.raises(AssertionError, match=r"no remote for data is in the committed \.dvc/con"):
        make(folder, "retrain", "NAME=again", "SET=train.epochs=1")
    call(folder, "dvc", "exp", "save", "--name", "early")
    call(folder, "dvc", "remote", "add", "-d", "store", str(tmp_path / "store"))
    with pytest.raises(AssertionError, match="would stay on this machine: dvc remote add -d"):
        make(folder, "share", "NAME=early")  # others clone what is committed
    git(folder, "commit", "-qam", "remote")
    with pytest.raises(AssertionError, match="early: older than the remote for data") as refused:
        make(folder, "share", "NAME=early")
    assert not (tmp_path / "store").exists()
    cure = str(refused.value).partition("this commit: ")[2].partition(", then share")[0]
    call(folder, "bash", "-ec", cure)
    make(folder, "share", "NAME=early-2")
    assert list((tmp_path / "store").rglob("*"))
    assert "early-2" in call(folder, "dvc", "exp", "list", "origin", "--all-commits")
    with pytest.raises(AssertionError, match="none: no such experiment"):
        make(folder, "share", "NAME=none")


def test_what_anything_names_stays_and_the_rest_is_freed(folder: Path, tmp_path: Path) -> None:
    named = [write(folder, "now")]
    for kind in ("branch", "tag"):
        git(folder, "checkout", "-q", "--detach")
        named.append(write(folder, kind))
        git(folder, "commit", "-qam", kind)
        git(folder, kind, f"a-{kind}")
        git(folder, "checkout", "-q", "main")
    elsewhere = tmp_path / "elsewhere"
    git(folder, "worktree", "add", "-q", "--detach", str(elsewhere))
    call(elsewhere, "dvc", "cache", "dir", "--local", str(folder / ".dvc/cache"))
    named.append(write(elsewhere, "of another worktree"))  # and not committed
    forgotten = write(folder, "never committed")
    for name in ("kept", "old"):
        path = write(folder, name)
        call(folder, "dvc", "exp", "save", "--name", name)
        named.append(path)
    old = named.pop()
    write(folder, "now")
    cache = folder / ".dvc/cache/files/md5"
    said = make(folder, "clean-experiments", "DAYS=0")
    assert "experiments: 2 that are 0 days old or more\n  kept, 0 days\n  old, 0 days\n" in said
    assert "1 files more that experiments alone name" not in said  # two notes
    assert all((cache / path).is_file() for path in (*named, forgotten, old))
    free = ("FREE=experiments cache", "KEEP=kept", "DAYS=0")
    with pytest.raises(AssertionError, match="so nobody could bring back what is freed"):
        make(folder, "clean-experiments", *free)
    with pytest.raises(AssertionError, match="kepd: no such experiment, so nothing was freed"):
        make(folder, "clean-experiments", "FREE=all", "KEEP=kepd", "YES=1")
    assert (cache / old).is_file()
    make(folder, "clean-experiments", *free, "YES=1")
    assert all((cache / path).is_file() for path in named)
    assert not (cache / forgotten).exists()
    assert not (cache / old).exists()
    assert "kept" in call(folder, "dvc", "exp", "list")
    assert "up to date" in call(folder, "dvc", "status")


def test_old_states_go_and_new_ones_stay(folder: Path) -> None:
    states = folder / ".dvc/tmp/train"
    for name, days in (("old", 9), ("new", 1)):
        (states / name).mkdir(parents=True)
        (states / name / "000001.pt").write_bytes(b"x" * 2_000_000)
        for path in (states / name / "000001.pt", states / name):
            os.utime(path, (time.time() - days * 86400,) * 2)
    assert "states: 1 of trainings that stopped 7 days ago or more, 2.0 MB" in make(
        folder, "clean-experiments"
    )
    lock = folder / ".dvc/tmp/rwlock"
    lock.write_text(json.dumps({"data": {"write": {"pid": os.getpid(), "cmd": "dvc repro"}}}))
    with pytest.raises(AssertionError, match="dvc repro is at work"):
        make(folder, "clean-experiments", "FREE=states")
    lock.unlink()
    make(folder, "clean-experiments", "FREE=states")
    assert [path.name for path in states.iterdir()] == ["new"]
