"""Assignment of images to train, val and test, without leaks."""
