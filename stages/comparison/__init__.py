"""Current rows compared with the reference, for `drift`."""
