"""Drift of prediction rows, by Evidently. For processes of their own."""
