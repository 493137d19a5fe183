"""ONNX Runtime without its telemetry: all modules of the server take it from here.

From 1.29 on it reports each model (names and hashes of its graph) and the machine to Microsoft,
on Linux too, unless a variable says otherwise when it is imported.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

__all__ = ["onnxruntime"]
