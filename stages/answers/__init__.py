"""What the artefact answers, and how right that is."""
