"""When a fetch is tried again."""

from datetime import timedelta

from emails.attachments.retry import WAITS, wait


def test_eight_tries_over_seven_hours():
    waits = [wait(tries, random=lambda: 0) for tries in range(1, 10)]
    assert waits == [*WAITS, None, None]
    assert sum(WAITS, timedelta()) == timedelta(hours=6, minutes=42, seconds=35)


def test_each_wait_is_up_to_a_tenth_longer():
    assert wait(3, random=lambda: 1) == timedelta(seconds=132)
