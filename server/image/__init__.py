"""From bytes to pixels, and the numbers that describe them."""
