"""The histories are worth their time: they come to every answer, every entry and every notification. No servers."""

import random
from collections import Counter
from datetime import datetime, timezone
from decimal import localcontext

import pytest
from model.contract import EXACT, KINDS
from model.driver import minimize
from model.histories import Run, make_run
from model.order import in_order_of_stages, in_order_of_time
from model.referee import Referee
from support.client import Record

END = datetime(2026, 6, 1, tzinfo=timezone.utc)
CODES = """not_permitted too_old in_the_future reserved_id invalid_period not_due unknown_currency grant_exists
    already_expired too_many_grants balance_out_of_range unknown_grant grant_not_pending not_voidable grant_not_active
    overdraft_limit insufficient_credits unknown_key already_reversed exceeds_consumption reservation_exists invalid_ttl too_many_reservations
    unknown_reservation reservation_closed""".split()
CODES.remove("not_voidable")  # needs the name of an overdraft, which is the engine's own


def judge(run):
    """The referee of a run whose records lie in one pair of partitions."""
    records = [
        Record(item.topic, 0, offset, item.at, item.customer, item.raw()) for offset, item in enumerate(run.inputs)
    ]
    referee = Referee(currencies=run.referee_currencies(), **run.rules())
    return referee.handle_all(in_order_of_time(records))


def test_histories_come_to_everything():
    counts = Counter()
    for seed in range(6):
        referee = judge(make_run(random.Random(seed), 4000, end=END))
        for answer in referee.answers.values():
            counts[answer.outcome] += 1
            counts[answer.code] += answer.outcome == "rejected"
            counts["kind", answer.event and answer.event.kind] += answer.outcome in ("applied", "partial")
        counts.update(entry["eventType"] for entry in referee.entries)
        counts.update(item["type"] for item in referee.notifications)
        counts.update(hold.state for account in referee.accounts.values() for hold in account.holds.values())
        with localcontext(EXACT):
            for account in referee.accounts.values():
                remaining = sum(grant.remaining for grant in account.grants if is_posted(grant))
                assert account.balance == remaining - account.deficit
                assert account.held == sum(grant.held for grant in account.grants)
    expected = [*CODES, "applied", "partial", "duplicate", "conflict", "rejected", "dead-lettered"]
    expected += [("kind", kind) for kind in KINDS] + ["open", "settled", "released", "run out"]
    names = "GRANTED CONSUMED EXPIRED VOIDED REVERSED CONSUMPTION_TRANSFER_SOURCE CONSUMPTION_TRANSFER_TARGET".split()
    expected += ["CREDITS_" + name for name in names]
    expected += ["credit_balance." + name for name in ("low", "depleted", "recovered")]
    expected += ["credit_grant." + name for name in ("created", "depleted", "expired", "voided")]
    print(counts)
    assert {name: counts[name] for name in expected if counts[name] < 10} == {}


def is_posted(grant):
    return grant.status not in ("SCHEDULED", "PAYMENT_PENDING")


def test_a_seed_makes_the_same_run_and_its_file_too(tmp_path):
    first, again = (make_run(random.Random(5), 300, end=END) for _ in range(2))
    assert first == again
    first.write(tmp_path / "run.jsonl")
    assert Run.read(tmp_path / "run.jsonl") == first


def test_a_failing_history_is_made_small():
    items = [*range(500)]
    judged = []

    def fails(candidates):
        judged.extend(candidates)
        return [{7, 8, 400} <= set(candidate) for candidate in candidates]

    assert minimize(items, fails, lambda: True, report=lambda _: None) == [7, 8, 400]
    assert len(judged) < 700


def test_a_record_that_was_read_too_early_is_told():
    records = [Record("usage", 0, 0, 20, "c", b"?"), Record("commands", 0, 0, 10, "c", b"?")]
    assert [record.topic for record in in_order_of_time(records)] == ["commands", "usage"]
    ends = {("usage", 0): 1, ("commands", 0): 1}
    with pytest.raises(AssertionError, match=r"usage\[0\] was read to 1 before \('commands', 0, 0\), which is older"):
        in_order_of_stages(records, [(ends, {("usage", 0): 1})])
    late = [Record("usage", 0, 0, 20, "c", b"?"), Record("commands", 0, 0, 10, "c", b"?")]
    order = in_order_of_stages(late, [({("usage", 0): 1}, {("usage", 0): 1})])
    assert [record.topic for record in order] == ["usage", "commands"], "the command was not there yet"
