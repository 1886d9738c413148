"""What this process knows of the keys it has seen, so that most requests cost no query.

A key is remembered for 5 s: revoking it works in every process by then. What was not found is not remembered.
"""

from mailgrid.core.cache import BriefCache
from tenants.keys.selectors import KeyFacts, find_facts

KEPT_SECONDS = 5

_facts: BriefCache[str, KeyFacts] = BriefCache(seconds=KEPT_SECONDS, size=10_000)


def key_facts(public: str) -> KeyFacts | None:
    """The key with this public part, as of at most 5 s ago."""
    if (kept := _facts.get(public)) is not None:
        return kept
    facts = find_facts(public)
    if facts is not None:
        _facts.put(public, facts)
    return facts


def forget(public: str) -> None:
    """Let this process read the key afresh."""
    _facts.forget(public)
