"""What the artefact says of any files, in parts that outlive a killed run."""
