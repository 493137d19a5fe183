"""How good the artefact is, in numbers, pictures and words."""
