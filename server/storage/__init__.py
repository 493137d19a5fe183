"""Reading the artefact from disk or from Google Cloud Storage."""
