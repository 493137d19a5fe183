"""Load from outside: `uvx locust --locustfile tests/benchmarks/locustfile.py --host http://localhost:8000`.

Each user posts a photograph, reads the answer and posts the next. `IMAGE` names another file to
post. A 503 with its `Retry-After` is what a full server should say: it counts as `busy`, not as a
failure, and its user comes back when told.
"""

import io
import os
from pathlib import Path

import gevent
from locust import HttpUser, task
from PIL import Image


def photograph() -> bytes:
    """Return the file to post: `IMAGE`, or a drawn JPEG of 640 x 427."""
    if "IMAGE" in os.environ:
        return Path(os.environ["IMAGE"]).read_bytes()
    buffer = io.BytesIO()
    Image.effect_noise((640, 427), 60).convert("RGB").save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


class Client(HttpUser):
    """Somebody with photographs and no patience."""

    image = photograph()

    @task
    def predict(self) -> None:
        """Post one."""
        with self.client.post(
            "/predict", files={"image": self.image}, catch_response=True
        ) as answer:
            if answer.status_code != 503:
                return
            answer.success()
            answer.request_meta["name"] = "/predict (busy)"
            gevent.sleep(float(answer.headers["Retry-After"]))
