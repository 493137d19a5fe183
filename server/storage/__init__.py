"""Where the artefact lies."""
