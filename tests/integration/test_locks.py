"""Accounts are updated where their lock found them: also where somebody else moved the row while the lane waited.

Method: a transaction of the owner rewrites the account's row, which then lies elsewhere, and ends only once the lane
waits for it.
"""

import psycopg
from support.events import consume, grant
from support.faults import wait_for_blocked_lanes


def test_an_account_that_moved_while_its_lock_was_waited_for_is_updated_where_it_lies_now(drawdown):
    drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 10))
    drawdown.wait_for_lag_zero()
    with psycopg.connect(drawdown.owner_url) as owner:
        before = owner.execute("select ctid::text from drawdown.account").fetchall()
        owner.execute("update drawdown.account set clock = clock")
        assert owner.execute("select ctid::text from drawdown.account").fetchall() != before
        drawdown.client.produce("usage", consume("acme", 3))
        drawdown.client.produce("commands", grant("acme", 5))
        drawdown.client.flush()
        wait_for_blocked_lanes(drawdown)
    drawdown.wait_for_lag_zero()
    assert drawdown.books.balance("acme", "ai-tokens") == 12
    drawdown.audit()


def test_an_account_that_somebody_else_made_meanwhile_is_locked_and_updated(drawdown):
    with psycopg.connect(drawdown.owner_url) as owner:
        owner.execute("insert into drawdown.account (customer_id, currency_id) values ('acme', 'ai-tokens')")
        drawdown.client.produce("commands", grant("acme", 10))
        drawdown.client.flush()
        drawdown.worker().start()
        wait_for_blocked_lanes(drawdown)
    drawdown.wait_for_lag_zero()
    assert drawdown.books.balance("acme", "ai-tokens") == 10
    drawdown.audit()
