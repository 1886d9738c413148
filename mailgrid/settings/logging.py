"""Structured logs to standard error."""

from mailgrid.core.logging import configure
from mailgrid.env import env

LOGGING = configure(level=env("LOG_LEVEL"), form=env("LOG_FORMAT"))
