"""Predictions of the artefact, their scores and calibration."""
