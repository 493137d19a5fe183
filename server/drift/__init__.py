"""Drift of prediction rows, by Evidently; all but `rows` is for processes of their own."""
