"""The request side: check, accept, store. Never sends."""
