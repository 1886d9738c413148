"""What a key may hand on: never more than it has."""

import pytest

from tenants.keys.reach import Reach, networks

EVERYTHING = Reach()


def within(*texts: str) -> Reach:
    return Reach(networks=networks(texts))


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        (EVERYTHING, Reach(domains=frozenset({"acme.example"}), networks=networks(["10.0.0.1"]))),
        (Reach(domains=frozenset({"a.example", "b.example"})), Reach(domains=frozenset({"a.example"}))),
        (within("10.0.0.0/8"), within("10.1.0.0/16", "10.2.3.4")),
        (within("10.0.0.0/8", "2001:db8::/32"), within("2001:db8:1::/48")),
        (Reach(live=False), Reach(live=False)),
        (EVERYTHING, Reach(live=False)),
    ],
)
def test_less_or_the_same_may_be_handed_on(own: Reach, wanted: Reach) -> None:
    assert own.lacks(wanted) is None


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        (Reach(live=False), EVERYTHING),
        (Reach(scopes=frozenset({"keys:write"})), EVERYTHING),
        (Reach(domains=frozenset({"a.example"})), EVERYTHING),
        (Reach(domains=frozenset({"a.example"})), Reach(domains=frozenset({"a.example", "b.example"}))),
        (within("10.0.0.0/8"), EVERYTHING),
        (within("10.0.0.0/8"), within("11.0.0.1")),
        (within("10.1.0.0/16"), within("10.0.0.0/8")),
        (within("10.0.0.0/8"), within("::ffff:0:0/96")),
        (within("0.0.0.0/0"), within("::/0")),
    ],
)
def test_more_may_not(own: Reach, wanted: Reach) -> None:
    assert own.lacks(wanted) is not None
