"""Addresses that must not get mail; checked at accept and inside the claim."""
