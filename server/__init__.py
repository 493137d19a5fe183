"""Serves the ONNX artefact. Imports no torch, timm or stages, and Evidently in `drift` alone."""
