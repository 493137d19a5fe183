import numpy as np
import pytest

from server.errors import UserError
from stages.splits import close_hashes as module
from stages.splits.close_hashes import MORE, cheapest, choices, close_hashes


def near_hashes(count: int) -> module.Hashes:
    """Some hashes, copies of them with up to four other bits, and some that are equal."""
    random = np.random.default_rng(count)
    hashes = random.integers(0, 2**64, count, dtype=np.uint64)
    flipped = hashes.copy()
    for _ in range(4):
        flipped ^= np.uint64(1) << random.integers(0, 64, count, dtype=np.uint64)
    return np.concatenate([hashes, flipped, hashes[:20]])


def all_pairs(hashes: module.Hashes, distance: int) -> list[list[int]]:
    return [
        [first, second]
        for first in range(len(hashes))
        for second in range(first + 1, len(hashes))
        if int(hashes[first] ^ hashes[second]).bit_count() <= distance
    ]


@pytest.mark.parametrize("distance", [0, 1, 4, 7, 16])
def test_close_hashes_are_all_found_and_no_others(distance: int) -> None:
    hashes = near_hashes(200)
    expected = all_pairs(hashes, distance)
    assert close_hashes(hashes, distance=distance).tolist() == expected
    assert len(expected) >= 20


@pytest.mark.parametrize("pieces", range(5, 5 + MORE))
def test_a_pair_is_found_once_in_however_many_pieces_it_is_equal(pieces: int) -> None:
    hashes = near_hashes(200)
    found = [module._search(hashes, choice, 4).tolist() for choice in choices(pieces, 4)]
    pairs = sorted([*divmod(code, len(hashes))] for codes in found for code in codes)
    assert pairs == all_pairs(hashes, 4)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_hashes_have_few_pairs(count: int) -> None:
    pairs = close_hashes(np.zeros(count, dtype=np.uint64), distance=4)
    assert pairs.shape == (count // 2, 2)
    assert pairs.dtype == np.int64


def test_many_are_searched_in_processes_and_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = near_hashes(200)
    expected = close_hashes(hashes, distance=4)
    monkeypatch.setattr(module, "ALONE", 100)
    assert np.array_equal(close_hashes(hashes, distance=4), expected)
    monkeypatch.undo()
    monkeypatch.setattr(module, "BLOCK", 7)
    assert np.array_equal(close_hashes(hashes, distance=4), expected)


def test_what_takes_long_is_told_beforehand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hashes = near_hashes(200)
    close_hashes(hashes, distance=4)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(module, "COMPARE", 1.0)
    _, seconds = cheapest(hashes, 4)
    close_hashes(hashes, distance=4)
    said = capsys.readouterr().out
    assert said == (
        "prepare: 420 images are searched for near duplicates at 4 bits: "
        f"about {seconds / 60:,.0f} minutes of a core\n"
    )


def test_more_sorts_are_cheaper_for_many_hashes_and_none_for_few() -> None:
    hashes = np.random.default_rng(0).integers(0, 2**64, 1_000_000, dtype=np.uint64)
    assert cheapest(hashes[:1000], 4)[0] == 5
    assert cheapest(hashes, 4)[0] > 5


def test_too_many_pairs_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 1000)
    with pytest.raises(UserError, match=r"near_distance=4: more than 1,000 pairs .* lower it"):
        close_hashes(np.zeros(100, dtype=np.uint64), distance=4)
