"""API keys: issued once, stored hashed, found by their public prefix."""
