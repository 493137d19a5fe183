from pathlib import Path

import pytest

from server.atomic import whole


def test_a_file_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    with whole(tmp_path / "deep/file") as draft:
        draft.write_text("new")
        assert not (tmp_path / "deep/file").exists()
    assert (tmp_path / "deep/file").read_text() == "new"


@pytest.mark.parametrize("folder", [True, False])
def test_an_error_leaves_what_was_there_and_no_draft(tmp_path: Path, folder: bool) -> None:
    (tmp_path / "output").write_text("old")

    def fail_halfway() -> None:
        with whole(tmp_path / "output") as draft:
            draft.mkdir() if folder else draft.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_halfway()
    assert [path.name for path in tmp_path.iterdir()] == ["output"]
    assert (tmp_path / "output").read_text() == "old"


def test_what_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / ".output.draft").mkdir()
    (tmp_path / ".output.draft/half").write_text("")
    (tmp_path / "output").mkdir()
    with whole(tmp_path / "output") as draft:
        draft.mkdir()
    assert list((tmp_path / "output").iterdir()) == []
