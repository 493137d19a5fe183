"""What the model sees now beside what it was chosen on."""
