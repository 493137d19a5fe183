"""Prometheus metrics, structured logs, population stability."""
