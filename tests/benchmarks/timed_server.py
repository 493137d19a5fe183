"""The server, with the CPU time of the work that no server could leave out in `parts.json`."""

import json
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import server.__main__
from server.image.resize import Resizer
from server.inference import worker
from server.model.classifier import Classifier

spent: dict[str, list[float]] = {}


def timed(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """Return `work` that adds what each call takes of its thread, in seconds."""
    seconds = spent.setdefault(name, [])

    @wraps(work)
    def call(*args: Any, **options: Any) -> Any:
        started = time.thread_time()
        try:
            return work(*args, **options)
        finally:
            seconds.append(time.thread_time() - started)

    return call


def main() -> int:
    """Serve until told to stop; write the mean milliseconds of each part."""
    worker.decode = timed("decode", worker.decode)
    worker.image_features = timed("features", worker.image_features)
    worker.hashlib = SimpleNamespace(sha256=timed("hash", worker.hashlib.sha256))
    Resizer.__call__ = timed("resize", Resizer.__call__)  # type: ignore[method-assign]
    Classifier.__call__ = timed("network", Classifier.__call__)  # type: ignore[method-assign]
    code = server.__main__.main()
    images = len(spent["decode"])
    means = {name: 1000 * sum(seconds) / images for name, seconds in spent.items()}
    Path("parts.json").write_text(json.dumps(means))
    return code


if __name__ == "__main__":
    sys.exit(main())
