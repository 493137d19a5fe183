"""A folder of drawn images with wrong labels among them, prepared and reviewed."""

import shutil
from pathlib import Path
from typing import Any

from PIL import Image

from tests.kit.drawing import draw, draw_folder
from tests.kit.stage import PARAMS, run_stage

WRONG = ("frame/disc-902.png", "stripes/frame-901.jpg")  # labels of train
TWIN = ("disc/disc-004.jpg", "frame/copy.jpg")  # one picture, nearly, under two labels
SAME = ("stripes/stripes-004.jpg", "disc/same.jpg")  # the very file, under two labels
OF_TRAIN = ("architecture", "weights", "weights_match", "mean", "std", "device")


def draw_wrong(folder: Path, *, per_class: int = 24) -> Path:
    """Fill `folder` with class folders; some images lie in the wrong one."""
    draw_folder(folder, per_class=per_class)
    draw("disc", 902).save(folder / WRONG[0])
    draw("frame", 1901).save(folder / WRONG[1])
    with Image.open(folder / TWIN[0]) as picture:
        picture.save(folder / TWIN[1], quality=70)
    shutil.copy(folder / SAME[0], folder / SAME[1])
    return folder


def review(**changes: Any) -> int:
    """Run the review as by hand, with the parameters of train, and return its exit code."""
    options = {name: PARAMS["train"][name] for name in OF_TRAIN} | {"device": "cpu"} | changes
    if not changes.get("corrections") and not Path("data/corrections.csv").exists():
        Path("data").mkdir(exist_ok=True)
        shutil.copy(Path(__file__).with_name("corrections.csv"), "data/corrections.csv")
    return run_stage("review", **options)
