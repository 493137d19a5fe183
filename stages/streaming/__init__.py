"""Shards that no disk holds together: who is shown what when, and how they come and go."""
