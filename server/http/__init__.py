"""A request comes, an answer goes: limits, forms, keys, problems."""
