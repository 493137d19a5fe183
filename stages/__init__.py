"""The pipeline: one small script a stage, declared in dvc.yaml."""

import sys
from types import TracebackType

STOPPED = "stopped by Ctrl-C; run the same command again to go on"


def _say(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in one line that Ctrl-C came, also while a stage still imports torch, for seconds."""
    if issubclass(kind, KeyboardInterrupt):
        print("error:", STOPPED, file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _say
