"""Queue, threads, batches: the way of an image to its answer."""
