"""The last predictions, kept in memory where the log is no folder."""

from collections.abc import Iterator

import orjson

from server.predictions.prediction import Prediction


class RecentRows:
    """What drift judges of the last prediction of each of the last `images` images."""

    def __init__(self, images: int) -> None:
        self.images = images
        self.repeats = 0  # further rows of these images
        self._rows: dict[str, tuple[bytes, int]] = {}  # and how many; the oldest first

    def append(self, prediction: Prediction) -> None:
        """Remember a prediction; the image that was asked about longest ago is forgotten."""
        picture = prediction.picture
        row = {
            "class": prediction.name,
            "confidence": prediction.confidence,
            "model": prediction.model,
            "time": prediction.time,
            "image_sha256": picture.sha256,
            **picture.features,
        }
        _, count = self._rows.pop(picture.sha256, (b"", 0))
        self.repeats += count > 0
        self._rows[picture.sha256] = (orjson.dumps(row), count + 1)
        if len(self._rows) > self.images:
            _, forgotten = self._rows.pop(next(iter(self._rows)))
            self.repeats -= forgotten - 1

    def __iter__(self) -> Iterator[bytes]:
        """Yield the rows as JSON, the oldest first."""
        return (row for row, _ in self._rows.values())
