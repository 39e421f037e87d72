"""Waiting for a condition with a deadline: the only kind of waiting in these tests."""

import time


def wait_until(condition, what, seconds=60.0, pause=0.02):
    """Return the condition's first true value; fail, saying what was waited for, when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:g} s")
        time.sleep(pause)
