"""Code that runs in a peer's environment: the standard library, Django and the peer are there, and nothing of ours."""
