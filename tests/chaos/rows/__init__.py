"""The rows, a module for each family. Importing this package registers them all."""

from tests.chaos.rows import (
    bells,
    crashes,
    embedded,
    fairness,
    figures,
    network,
    providers,
    security,
    servers,
    ses,
)

__all__ = [
    "bells",
    "crashes",
    "embedded",
    "fairness",
    "figures",
    "network",
    "providers",
    "security",
    "servers",
    "ses",
]
