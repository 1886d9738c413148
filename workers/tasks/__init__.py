"""Thin tasks: one service call each. Named in workers/routing.py."""
