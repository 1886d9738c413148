"""Declared variables: types, fallbacks, and what is used without being declared."""

import pytest

from mailgrid.core.errors import Invalid
from templates.errors import TemplateRenderError
from templates.variables import Declared, check_declared, check_given, declared, merged, undeclared

VALUES = {"string": "x", "number": 1.5, "boolean": True, "object": {"a": 1}, "list": [1]}


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_of_its_type_is_taken_and_every_other_refused(kind):
    one = Declared(key="v", type=kind)
    assert merged([one], {"v": VALUES[kind]}, {}) == {"v": VALUES[kind]}
    for other in VALUES.keys() - {kind}:
        with pytest.raises(TemplateRenderError) as caught:
            merged([one], {"v": VALUES[other]}, {})
        assert (caught.value.part, caught.value.code) == ("variables.v", "invalid_type")


def test_whole_numbers_are_numbers_and_booleans_are_not():
    assert Declared(key="v", type="number").fits(3)
    assert not Declared(key="v", type="number").fits(False)


def test_a_fallback_stands_in_for_what_is_absent_or_null():
    one = Declared(key="v", fallback="f")
    assert merged([one], {}, {}) == merged([one], {"v": None}, {}) == {"v": "f"}
    assert merged([one], {"v": ""}, {}) == {"v": ""}


def test_null_without_a_fallback_is_absent_and_undeclared_values_pass():
    assert merged([Declared(key="v")], {"v": None, "w": None, "x": 1}, {}) == {"w": None, "x": 1}


def test_what_mailgrid_provides_wins_and_the_callers_values_stay_as_they_are():
    given = {"unsubscribe_url": "mine", "a": 1}
    assert merged([], given, {"unsubscribe_url": "ours"}) == {"unsubscribe_url": "ours", "a": 1}
    assert given["unsubscribe_url"] == "mine"


def test_declarations_survive_the_database():
    rows = [Declared(key="a", type="list", fallback=[1]), Declared(key="b")]
    assert declared([one.as_wire() for one in rows]) == tuple(rows)


@pytest.mark.parametrize(
    ("variables", "field", "code"),
    [
        ([Declared(key="a"), Declared(key="a")], "variables[1].key", "mutually_exclusive"),
        ([Declared(key="unsubscribe_url")], "variables[0].key", "reserved_name"),
        ([Declared(key="a", type="number", fallback="1")], "variables[0].fallback_value", "invalid_type"),
    ],
)
def test_wrong_declarations_are_refused(variables, field, code):
    with pytest.raises(Invalid) as caught:
        check_declared(variables)
    assert [(one.field, one.code) for one in caught.value.errors] == [(field, code)]


def test_nothing_declared_means_that_nothing_has_to_be():
    assert undeclared([], ["a", "b"]) == []
    assert undeclared([Declared(key="a")], ["b", "a", "unsubscribe_url"]) == ["b"]


def nested(levels):
    value = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def test_data_is_bounded_in_depth_and_size():
    check_given(nested(10))
    check_given({"set": nested(10)}, sets=True)
    check_given({"a": "x" * 262_100})
    for given, code in ((nested(11), "out_of_range"), ({"a": "x" * 262_144}, "too_long")):
        with pytest.raises(Invalid) as caught:
            check_given(given)
        assert caught.value.errors[0].code == code
