"""Labels that are probably wrong, images that are odd, and images to label next."""
