"""Lines of a log, from both ends, against what splitting the whole file gives."""

from pathlib import Path

import numpy as np
import pytest

from server.drift.log_files import BLOCK, LONGEST, Budget, lines_from_end, lines_of

PLENTY = 2**40
EDGES = (BLOCK - 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 0, 1, 72_000)


def from_end(file: Path, left: int = PLENTY) -> list[bytes]:
    return list(lines_from_end(file, Budget(left)))


@pytest.mark.parametrize("lengths", [(), (0,), (1,), EDGES, EDGES[::-1], (5,) * 50_000])
@pytest.mark.parametrize("rest", [b"", b"torn", b"t" * (BLOCK + 3)])
def test_lines_are_those_of_the_file_and_one_still_written_is_none(
    tmp_path: Path, lengths: tuple[int, ...], rest: bytes
) -> None:
    digits = np.random.default_rng(0).integers(48, 58, size=sum(lengths), dtype=np.uint8).tobytes()
    ends = np.cumsum(lengths, dtype=int)
    lines = [digits[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"".join(line + b"\n" for line in lines) + rest)
    assert from_end(file) == lines[::-1]
    forwards = list(lines_of(file))
    assert forwards == [*(line + b"\n" for line in lines), *filter(None, [rest])]


@pytest.mark.parametrize("length", [LONGEST + BLOCK, 3 * LONGEST])
def test_a_line_without_bound_is_one_torn_line_between_whole_ones(
    tmp_path: Path, length: int
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"1\n" + b"2" * length + b"\n3\n")
    for lines in (from_end(file), list(lines_of(file))[::-1]):
        third, second, first = lines
        assert (first.strip(), third.strip()) == (b"1", b"3")
        assert len(second) <= BLOCK + 1
        assert second.endswith(b"{")


def test_memory_and_work_do_not_grow_with_what_is_not_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"x" * 99 + b"\n" + (b"y" * 9 + b"\n") * 100_000)
    budget = Budget(PLENTY)
    lines = lines_from_end(file, budget)
    assert [next(lines) for _ in range(5)] == [b"y" * 9] * 5
    assert budget.left == PLENTY - BLOCK
    assert len(from_end(file, left=BLOCK)) == BLOCK // 10
