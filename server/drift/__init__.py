"""Drift of prediction rows, by Evidently; verdicts are for processes of their own."""
