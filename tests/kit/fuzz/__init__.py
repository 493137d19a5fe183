"""Random structures of image files, for the fuzzer."""
