"""What all stages share: how one is called, how it writes, how far it is."""
