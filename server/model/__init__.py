"""The artefact: its metadata, its session, its execution provider."""
