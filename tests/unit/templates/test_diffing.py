"""Unified lines, whatever the texts are."""

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templates.diffing import MAX_LINES, unified

LINES = st.lists(st.sampled_from(["a", "b", "c", "", "@@ x", "--- y"]), max_size=25)


def test_equal_texts_differ_in_nothing():
    assert unified("a\nb", "a\nb") == unified(None, "") == unified(None, None) == []


def test_a_change_is_shown_with_lines_around_it():
    before = "\n".join("abcdefghij")
    assert unified(before, before.replace("f", "F")) == [
        "@@ -3,7 +3,7 @@",
        " c",
        " d",
        " e",
        "-f",
        "+F",
        " g",
        " h",
        " i",
    ]


def test_an_absent_text_is_an_empty_one():
    assert unified(None, "x") == ["@@ -0,0 +1 @@", "+x"]


@settings(deadline=None)
@given(LINES, LINES)
def test_the_lines_are_those_of_difflib_and_make_the_new_text_of_the_old(before, after):
    found = unified("\n".join(before), "\n".join(after))
    old, new = "\n".join(before).splitlines(), "\n".join(after).splitlines()
    assert applied(old, found) == new
    headers = list(difflib.unified_diff(old, new, lineterm=""))[2:]
    assert bool(found) == bool(headers)


def applied(old, lines):
    """What `patch` makes of it."""
    made, place = [], 0
    for line in lines:
        if line.startswith("@@"):
            start, _, count = line.split(" ")[1][1:].partition(",")
            first = int(start) - (0 if count == "0" else 1)
            made += old[place:first]
            place = first
        elif line.startswith("-"):
            assert old[place] == line[1:]
            place += 1
        elif line.startswith("+"):
            made.append(line[1:])
        else:
            assert old[place] == line[1:]
            made.append(old[place])
            place += 1
    return made + old[place:]


def test_a_text_that_changed_everywhere_is_replaced_as_a_whole():
    old, new = [f"a{n}" for n in range(2_000)], [f"b{n}" for n in range(3_000)]
    found = unified("\n".join(["same", *old, "end"]), "\n".join(["same", *new, "end"]))
    assert found[0] == "@@ -2,2000 +2,3000 @@"
    assert applied(["same", *old, "end"], found) == ["same", *new, "end"]


@pytest.mark.parametrize(
    "text", ["x\n" * 300_000, "x" * 2_000_000, "\n" * 2_000_000], ids=["lines", "one", "empty"]
)
def test_the_answer_is_bounded(text):
    found = unified(text, text.replace("x", "y") + "z")
    assert len(found) <= MAX_LINES + 1
    assert max(map(len, found)) <= 1_002
