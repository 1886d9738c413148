"""The worker side: claim, send, settle. Never accepts."""
