from pathlib import Path

import numpy as np
from PIL import Image

from stages.data.sheet import GAP, LINE, write_sheet

RED, GREEN, BLUE = (
    np.full((8, 8, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))
)


def test_cells_stand_in_rows_with_their_images_side_by_side_below_the_caption(
    tmp_path: Path,
) -> None:
    cells = [("first\nof two lines", [RED, GREEN]), ("second", [BLUE]), ("third", [GREEN])]
    write_sheet(tmp_path / "a.png", cells, columns=2, tile=40)
    height = 2 * LINE + 40 + GAP
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.size == (2 * (80 + GAP) + GAP, 2 * height + GAP)
        top, right = GAP + 2 * LINE + 20, 80 + 2 * GAP
        assert sheet.getpixel((GAP + 20, top)) == (255, 0, 0)
        assert sheet.getpixel((GAP + 60, top)) == (0, 255, 0)
        assert sheet.getpixel((right + 20, top)) == (0, 0, 255)
        assert sheet.getpixel((right + 60, top)) == (255, 255, 255)
        assert sheet.getpixel((GAP + 20, top + height)) == (0, 255, 0)


def test_a_long_line_keeps_its_end_and_its_beginning_and_stays_in_its_cell(tmp_path: Path) -> None:
    black = np.zeros((8, 8, 3), np.uint8)
    write_sheet(tmp_path / "a.png", [("folder/" * 50 + "end.jpg", [black])], tile=60)
    write_sheet(tmp_path / "b.png", [("other/" * 50 + "end.jpg", [black])], tile=60)
    inks = []
    for name in ("a.png", "b.png"):
        caption = np.asarray(Image.open(tmp_path / name))[: GAP + LINE].min(axis=2)
        assert caption[:, 2 - GAP :].min() == 255
        columns = np.flatnonzero((caption < 255).any(axis=0))
        inks.append(caption[:, columns[0] : columns[-1] + 1])
    one, other = inks
    assert (one[:, -20:] == other[:, -20:]).all()  # .jpg
    assert (one[:, :5] != other[:, :5]).any()  # f and o


def test_letters_that_the_font_lacks_do_not_make_two_names_one(tmp_path: Path) -> None:
    sheets = []
    for name in ("\u732b", "\u72d7", "\\u72d7"):
        write_sheet(tmp_path / "a.png", [(f"Citro\xebn {name}", [])])
        sheets.append((tmp_path / "a.png").read_bytes())
    cat, dog, escaped = sheets
    assert cat != dog == escaped


def test_words_alone_make_a_sheet_as_wide_as_they_are(tmp_path: Path) -> None:
    write_sheet(tmp_path / "a.png", [("nothing to show", [])])
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.height == LINE + 2 * GAP
        assert np.asarray(sheet).min() < 100
        assert (np.asarray(sheet)[:, 2 - GAP :] == 255).all()
