"""Command line, atomic outputs and progress of the stages."""
