"""The report of drift that a server shows of itself."""
