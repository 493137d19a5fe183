"""The prediction row, and its log."""
