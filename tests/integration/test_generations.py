"""Receipts are dropped a generation at a time, when every input partition is past it by the dedupe window, not before.

Method: the inputs take the producer's timestamps, so that days pass at once; generations of an hour, a window of one,
and the hour that is always added to it.
"""

from datetime import datetime, timedelta, timezone

import psycopg
import pytest
from support.events import consume, grant
from support.wait import wait_until

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
START = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0) - timedelta(days=2)
OPTIONS = {
    "inputs.timestamps": "trusted",
    "dedupe.generation": "1h",
    "dedupe.window": "1h",
    "dedupe.window.short": "allow",
    "dedupe.drop.interval": "200ms",
}


class Aged:
    """An installation whose time is what the test says."""

    def __init__(self, drawdown):
        self.drawdown = drawdown
        self.books = drawdown.books

    def at(self, when, *events, topic="usage", wait=True):
        for event in events:
            self.drawdown.client.produce(topic, event, timestamp=milliseconds(when))
        if wait:
            self.drawdown.wait_for_lag_zero()
        else:
            self.drawdown.client.flush()

    def generations(self):
        """When each begins, in hours since START."""
        rows = self.books.query(
            "select name, ends_at from drawdown.list_receipt_generations() order by ends_at"
        )
        return [round((row["ends_at"] - HOUR - START) / HOUR) for row in rows]

    def receipts_from(self):
        return self.books.query("select receipts_from from drawdown.setting")[0]["receipts_from"]

    def log_times(self):
        """{(topic, partition): log time}, what was never read left out."""
        rows = self.books.query("select * from drawdown.input_position where lane = 0 and log_time is not null")
        return {(r["topic"].removeprefix(self.drawdown.prefix), r["partition"]): r["log_time"] for r in rows}

    def wait_for_log_time(self, when, count=8):
        wait_until(
            lambda: sum(time >= when for time in self.log_times().values()) >= count,
            f"the log time of {count} partitions to come to {when}",
        )

    def outcomes(self, key):
        found = [r.value for r in self.drawdown.client.read("outcomes") if r.value["idempotencyKey"] == key]
        return [(value["outcome"], value["code"]) for value in found]


def milliseconds(when):
    return round(when.timestamp() * 1000)


@pytest.fixture
def aged(install):
    aged = Aged(install(OPTIONS))
    aged.worker = aged.drawdown.worker().start()
    aged.at(START + MINUTE, grant("acme", 100, "give"), topic="commands")
    aged.at(START + 2 * MINUTE, consume("acme", 1, "first"))
    return aged


def test_a_generation_is_dropped_once_every_partition_is_a_window_past_it(aged):
    aged.at(START + 59 * MINUTE, consume("acme", 1, "border"))
    aged.at(START + 61 * MINUTE, consume("acme", 1, "border"))
    assert aged.outcomes("border") == [("duplicate", None)]
    aged.at(START + 62 * MINUTE, consume("acme", 1, "second"))
    aged.at(START + 2 * HOUR, consume("acme", 1, "third"), consume("acme", 1, "second"), consume("acme", 1, "first"))
    aged.at(START + 3 * HOUR - MINUTE, consume("acme", 1, "fourth"))
    assert aged.generations() == [0, 1, 2]
    aged.wait_for_log_time(START + 3 * HOUR - MINUTE)  # idle partitions count as far as the newest
    aged.at(START + 3 * HOUR - MINUTE / 2, consume("acme", 1, "fourth"))
    aged.wait_for_log_time(START + 3 * HOUR - MINUTE / 2)  # a whole round since
    assert aged.generations() == [0, 1, 2] and aged.receipts_from() is None

    aged.at(START + 3 * HOUR, consume("acme", 1, "fifth"))
    wait_until(lambda: aged.generations() == [1, 2, 3], "the oldest generation to be dropped")
    assert aged.receipts_from() == START + HOUR
    dropped = "drawdown_receipt_generations_dropped_total"
    wait_until(lambda: aged.worker.metrics().get(dropped) == 1, "the drop to be counted")
    assert "event=keeper.drop" in aged.worker.log_text()
    # what is left is still known
    aged.at(START + 3 * HOUR, consume("acme", 1, "second"))
    assert aged.outcomes("second") == [("duplicate", None)] * 2
    assert aged.books.balance("acme", "ai-tokens") == 100 - 6


def test_timestamps_that_lie_ahead_do_not_cost_the_receipts_of_today(aged):
    now = datetime.now(timezone.utc)
    aged.drawdown.client.set_topic("usage", message_timestamp_after_max_ms=str(2**62))  # an hour unless set
    for days in (30, 3000):
        aged.at(now + timedelta(days=days), consume("acme", 1, f"in {days} days"))
    aged.at(START + 2 * HOUR, consume("acme", 1, "second"))
    aged.at(now - HOUR, consume("acme", 1, "today"))
    wait_until(lambda: aged.receipts_from() is not None, "receipts of two days ago to be dropped")
    assert max(aged.log_times().values()) <= datetime.now(timezone.utc)
    assert aged.receipts_from() <= datetime.now(timezone.utc) - 2 * HOUR
    aged.at(now, consume("acme", 1, "today"))
    assert aged.outcomes("today") == [("duplicate", None)]


def test_a_record_from_before_what_was_dropped_is_too_old(aged):
    aged.at(START + HOUR, consume("acme", 1, "second"))
    aged.at(START + 3 * HOUR, consume("acme", 1, "third"))
    aged.at(START + 3 * HOUR, consume("acme", 1, "fourth"))
    aged.at(START + 4 * HOUR, consume("acme", 1, "fifth"))
    wait_until(lambda: aged.receipts_from() == START + 2 * HOUR, "receipts to be dropped")
    wait_until(lambda: aged.generations() == [3, 4], "two generations to be left")
    balance = aged.books.balance("acme", "ai-tokens")
    aged.at(START + 2 * MINUTE, consume("acme", 1, "first"), consume("acme", 1, "never seen"))
    assert aged.outcomes("first") == aged.outcomes("never seen") == [("rejected", "too_old")]
    assert aged.books.balance("acme", "ai-tokens") == balance
    assert aged.books.receipts(idempotency_key="never seen") == []


def test_the_newest_two_stay_whatever_the_time(aged):
    aged.at(START + HOUR, consume("acme", 1, "second"))
    for when in (START + 40 * HOUR, START + 40 * HOUR + MINUTE):  # a whole round, and the next
        aged.drawdown.client.produce("usage", b"{", key="acme", timestamp=milliseconds(when))
        aged.drawdown.wait_for_lag_zero()  # a dead letter leaves no receipt, and has a time all the same
        aged.wait_for_log_time(when)
    assert aged.generations() == [0, 1] and aged.receipts_from() is None


def test_a_partition_that_is_behind_keeps_the_receipts(aged):
    """What stands in a producer's open transaction cannot be read yet: its partition is not at its end."""
    aged.at(START + HOUR, consume("acme", 1, "second"))
    aged.wait_for_log_time(START + HOUR)
    before = aged.drawdown.client.ends("usage")
    with aged.drawdown.client.transaction() as produce:
        produce("usage", consume("bolt", 1, "in hand"), timestamp=milliseconds(START + 3 * MINUTE))
        wait_until(lambda: aged.drawdown.client.ends("usage") != before, "the record to stand in the log")
        aged.at(START + 3 * HOUR, consume("acme", 1, "third"), wait=False)
        aged.at(START + 4 * HOUR, consume("acme", 1, "fourth"), wait=False)
        aged.wait_for_log_time(START + 4 * HOUR, count=7)
        aged.at(START + 4 * HOUR + MINUTE, consume("acme", 1, "fifth"), wait=False)
        aged.wait_for_log_time(START + 4 * HOUR + MINUTE, count=7)  # a whole round since
        assert aged.generations() == [0, 1, 3, 4] and aged.receipts_from() is None
        assert min(aged.log_times().values()) == START + HOUR
    wait_until(lambda: aged.generations() == [3, 4], "what is past to be dropped")
    assert aged.outcomes("in hand") == [("rejected", "unknown_currency")]
    # what follows the record now is a marker, which no reader ever sees: the partition is at its end all the same
    aged.wait_for_log_time(START + 4 * HOUR + MINUTE)


def test_a_worker_that_lost_a_partition_does_not_speak_for_it(aged):
    aged.wait_for_log_time(START + 2 * MINUTE)
    idle = next(at for at in aged.log_times() if aged.drawdown.client.ends(at[0])[at[1]] == 0)
    with psycopg.connect(aged.drawdown.owner_url) as owner:
        owner.execute(
            "update drawdown.input_position set epoch = epoch + 1 where topic = %s and partition = %s",
            [aged.drawdown.prefix + idle[0], idle[1]],
        )
    for minutes in (3, 4):  # two rounds
        aged.at(START + minutes * MINUTE, consume("acme", 1))
        aged.wait_for_log_time(START + minutes * MINUTE, count=7)
    assert aged.log_times()[idle] == START + 2 * MINUTE


def test_a_partition_that_no_worker_has_begun_keeps_the_receipts(aged):
    aged.at(START + HOUR, consume("acme", 1, "second"))
    aged.worker.terminate()
    with psycopg.connect(aged.drawdown.owner_url) as owner:
        dropped = owner.execute(
            "select * from drawdown.move_receipts_from(%s, 5, interval '1 minute')",
            [[aged.drawdown.prefix + "usage", aged.drawdown.prefix + "commands"]],
        ).fetchall()
    assert dropped == [(None, False)]


def test_a_transaction_that_may_believe_in_the_old_receipts_ends_first(aged):
    with psycopg.connect(aged.drawdown.owner_url) as other:
        other.execute("select pg_current_xact_id()")
        for hours in (1, 3, 4):
            aged.at(START + hours * HOUR, consume("acme", 1, f"after {hours}"))
        wait_until(lambda: aged.receipts_from() == START + 2 * HOUR, "the first step")
        aged.at(START + 4 * HOUR + MINUTE, consume("acme", 1, "later"))
        aged.wait_for_log_time(START + 4 * HOUR + MINUTE)
        assert aged.generations() == [0, 1, 3, 4]
        other.rollback()
    wait_until(lambda: aged.generations() == [3, 4], "the second step")


def test_whoever_reads_receipts_delays_the_drop_and_the_drop_hardly_delays_the_lanes(aged):
    with psycopg.connect(aged.drawdown.owner_url) as other:
        other.execute("lock table drawdown.receipt in access share mode")
        for hours in (1, 3, 4):
            aged.at(START + hours * HOUR, consume("acme", 1, f"after {hours}"))
        failures = "drawdown_keeper_failures_total"
        wait_until(lambda: aged.worker.metrics().get(failures, 0) >= 2, "the drop to be given up and tried again")
        aged.at(START + 4 * HOUR, consume("acme", 1, "meanwhile"))
        assert aged.generations() == [0, 1, 3, 4]
        other.rollback()
    wait_until(lambda: aged.generations() == [3, 4], "the drop")
    assert aged.books.balance("acme", "ai-tokens") == 100 - 5
    assert "lock timeout" in aged.worker.log_text()
