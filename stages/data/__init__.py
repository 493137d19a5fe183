"""Prepared images on disk: shards and the samples table."""
