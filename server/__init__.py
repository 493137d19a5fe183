"""Serves the ONNX artefact. Imports no torch, timm, evidently or stages."""
