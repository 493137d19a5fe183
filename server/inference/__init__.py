"""Admission, batches, threads, explanations."""
