"""What beat rings, and how often. Operators may add entries of their own in the console.

Effects are exactly once by the database: two beats are harmless, and no beat for an hour only delays.
"""

from typing import Any, Final

from workers.routing import (
    COLLECT_GARBAGE,
    OBSERVE_BROKER,
    SEND_CANARIES,
    SURVEY_ACCOUNTS,
    SWEEP,
    SWEEP_STORE,
)

ENTRIES: Final[dict[str, dict[str, Any]]] = {
    "sweep": {
        "task": SWEEP,
        "schedule": 1.0,
        "options": {"queue": "maintenance", "expires": 5},
    },
    "observe-broker": {
        "task": OBSERVE_BROKER,
        "schedule": 15.0,
        "options": {"queue": "maintenance", "expires": 30},
    },
    "send-canaries": {
        "task": SEND_CANARIES,
        "schedule": 60.0,
        "options": {"queue": "fetch", "expires": 60},
    },
    "survey-accounts": {
        "task": SURVEY_ACCOUNTS,
        "schedule": 300.0,
        "options": {"queue": "fetch", "expires": 300},
    },
    "sweep-store": {
        "task": SWEEP_STORE,
        "schedule": 300.0,
        "options": {"queue": "maintenance", "expires": 300},
    },
    "collect-garbage": {
        "task": COLLECT_GARBAGE,
        "schedule": 3600.0,
        "options": {"queue": "maintenance"},
    },
}
