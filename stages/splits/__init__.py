"""Which image may be in which split."""
