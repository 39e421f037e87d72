"""What was recorded and not published is published as it would have been, whatever the kind of input.

Method: the same story for two customers. The worker is killed when it has recorded the second one's and published
nothing of it; what the next worker publishes must be what the first one's story made.
"""

import pytest
from support.events import command, consume, extend, grant, release, reserve, reverse, settle, void
from support.faults import ledger_locked, wait_for_blocked_lanes, wait_for_lanes_at_rest
from support.story import APART, TOGETHER, Story, at, in_one_batch, minute
from support.wait import wait_until

STEPS = [
    at(0, grant, 10, "one", grantId="used-up", priority=1),
    at(0, grant, 100, "two", grantId="g", priority=2),
    at(0, grant, 5, "three", grantId="awaited", awaitPaymentConfirmation=True),
    at(0, command, "configure", "levels", thresholds=[{"amount": 80}, {"percent": 20}], overdraftLimit=50),
    at(1, consume, 40, "use"),
    at(2, reserve, 30, "a", "hold-a"),
    at(2, reserve, 5, "b", "hold-b", ttlSeconds=600),
    at(3, extend, "b", "longer", ttlSeconds=1200),
    at(4, settle, 20, "a", "pay"),
    at(5, reserve, 1, "c", "hold-c"),
    at(6, release, "c", "let-go"),
    at(7, reverse, "use", 35, "back"),
    at(8, reverse, "no-such", None, "unknown"),
    at(9, command, "confirm-payment", "paid", grantId="awaited"),
    at(10, void, "awaited", "take"),
    at(40, command, "advance", "advance/by-hand", dueAt=minute(30)),
    at(41, consume, 120, "over"),
]


@pytest.mark.parametrize("is_taken", [False, True], ids=["read again", "taken by retention"])
def test_every_kind_of_input_is_published_as_it_would_have_been(install, is_taken):
    story = Story(install)
    drawdown = story.drawdown
    story.produce(TOGETHER, STEPS)
    worker = drawdown.worker(options=in_one_batch(STEPS)).start()
    drawdown.wait_for_lag_zero()
    with ledger_locked(drawdown) as unlock:
        story.produce(APART, STEPS)
        drawdown.client.flush()
        wait_for_blocked_lanes(drawdown)
        with drawdown.servers.frozen("kafka"):
            unlock()
            wait_until(lambda: len(story.answers(APART)) == len(STEPS), "the story to be recorded")
            wait_for_lanes_at_rest(drawdown)
            worker.kill()
    if is_taken:
        recorded = drawdown.recorded()
        drawdown.client.delete_records({("commands", at): recorded["commands", at] for at in range(4)})
    worker.start()
    drawdown.wait_for_lag_zero()
    drawdown.check_books()
    assert story.moves(APART) == story.moves(TOGETHER)
    assert story.answers(APART) == story.answers(TOGETHER)
    assert story.outcomes(APART) == story.outcomes(TOGETHER)
    assert story.notifications(APART) == story.notifications(TOGETHER)
    told = {kind for kind, *_ in story.notifications(APART)}
    assert {"credit_grant.created", "credit_grant.depleted", "credit_grant.voided", "credit_balance.low"} <= told
