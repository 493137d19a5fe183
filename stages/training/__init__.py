"""The training loop: recipe, epochs, devices, resuming."""
