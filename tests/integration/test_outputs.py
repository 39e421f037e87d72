"""What goes out: the ledger as the database has it, traces passed on, balances that agree with what readers ask."""

from decimal import Decimal

import pytest
from support.client import decode
from support.events import consume, grant, void
from support.wait import wait_until

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("outputs", ["json", "avro"])
def test_a_ledger_message_is_the_row_of_the_ledger_in_every_field(install, outputs):
    drawdown = install({"outputs.format": outputs})
    drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 10, "give", resourceId="team-1"))
    drawdown.client.produce("commands", consume("acme", "2.5", "use", resourceId="team-1", dimensions={"model": "x"}))
    drawdown.wait_for_lag_zero()
    given, used = drawdown.client.read("ledger")
    source = drawdown.client.read("commands")[1]
    assert (given.key, used.key) == ("acme", "acme")
    assert used.value == {
        "entryId": "acme/ai-tokens/team-1/2",
        "customerId": "acme",
        "currencyId": "ai-tokens",
        "resourceId": "team-1",
        "seq": 2,
        "eventType": "CREDITS_CONSUMED",
        "amount": Decimal("-2.5"),
        "grantId": given.value["grantId"],
        "grantRemaining": Decimal("7.5"),
        "balanceBefore": Decimal(10),
        "balanceAfter": Decimal("7.5"),
        "idempotencyKey": "use",
        "requestedAmount": Decimal("2.5"),
        "firstSeq": 2,
        "lastSeq": 2,
        "outcome": "applied",
        "eventTime": used.value["recordedAt"],
        "recordedAt": used.value["recordedAt"],
        "dimensions": {"model": "x"},
        "source": {"topic": source.topic, "partition": source.partition, "offset": source.offset},
    }
    assert round(used.value["recordedAt"].timestamp() * 1000) == source.timestamp
    drawdown.audit()


def test_the_trace_of_an_input_goes_on_in_whatever_it_causes(drawdown):
    drawdown.worker().start()
    headers = [("other", b"x"), ("traceparent", TRACEPARENT.encode())]
    drawdown.client.produce("commands", grant("acme", 10, "traced"), headers=headers)
    drawdown.client.produce("commands", grant("acme", 10, "untraced"))
    drawdown.client.produce("commands", void("acme", "no-such", "rejected"), headers=headers)
    drawdown.wait_for_lag_zero()
    entries = {record.value["idempotencyKey"]: record.header_list for record in drawdown.client.read("ledger")}
    assert entries == {"traced": [("traceparent", TRACEPARENT.encode())], "untraced": []}
    (rejection,) = drawdown.client.read("outcomes")
    assert rejection.header_list == [("traceparent", TRACEPARENT.encode())]
    traces = drawdown.books.query("select idempotency_key, traceparent from drawdown.ledger order by seq")
    assert [row["traceparent"] for row in traces] == [TRACEPARENT, None]


def test_balances_entitlement_and_views_say_the_same(drawdown):
    drawdown.worker().start()
    drawdown.client.produce("commands", grant("acme", 10, grantId="promo", grantType="PROMOTIONAL"))
    drawdown.client.produce("commands", grant("acme", 7, resourceId="team-1"))
    drawdown.wait_for_lag_zero()
    for amount in ("1.5", "2", "10"):
        drawdown.client.produce("usage", consume("acme", amount))
    drawdown.wait_for_lag_zero()

    newest = {record.key: record for record in drawdown.client.read("balances")}
    assert newest.keys() == {"acme/ai-tokens", "acme/ai-tokens/team-1"}
    assert len({record.partition for record in newest.values()}) == 1, "all of a customer is in one partition"
    message = newest["acme/ai-tokens"].value
    last = drawdown.client.read("usage")[-1]
    assert message["freshness"]["input"] == {"topic": last.topic, "partition": last.partition, "offset": last.offset}
    for scope, resource in (("acme/ai-tokens", None), ("acme/ai-tokens/team-1", "team-1")):
        (answer,) = drawdown.books.query(
            "select * from drawdown.get_credit_entitlement('acme', 'ai-tokens', %s, 5)", resource
        )
        message = newest[scope].value
        for name in ("balance", "spendable", "held", "granted", "consumed"):
            assert message[name] == answer[name], f"{scope}: {name}"
        assert answer["is_granted"] == (message["spendable"] >= 5)
        (account,) = drawdown.books.query(
            "select *, drawdown.balance_as_of('acme', 'ai-tokens', %s, clock) as as_of from drawdown.accounts"
            " where resource_id is not distinct from %s",
            resource,
            resource,
        )
        assert account["as_of"] == account["balance"] == message["balance"]
        left = drawdown.books.query(
            "select sum(remaining) as sum from drawdown.grants where resource_id is not distinct from %s", resource
        )
        assert left[0]["sum"] == message["balance"]
    assert newest["acme/ai-tokens"].value["balance"] == Decimal("-3.5")
    drawdown.audit()


def test_outcomes_repeat_what_was_applied_where_that_is_asked_for(install):
    drawdown = install({"outcomes": "all"})
    drawdown.worker().start()
    for event in (grant("acme", 10, "give"), consume("acme", 1, "use"), consume("acme", 1, "use")):
        drawdown.client.produce("commands", event)
    drawdown.wait_for_lag_zero()
    answers = [(v["idempotencyKey"], v["outcome"]) for v in map(lambda r: r.value, drawdown.client.read("outcomes"))]
    assert answers == [("give", "applied"), ("use", "applied"), ("use", "duplicate")]
    drawdown.audit()


def test_outputs_lie_in_the_customers_partition_and_the_balances_topic_is_compacted(drawdown):
    drawdown.worker().start()
    for number in range(20):
        drawdown.client.produce("commands", grant(f"customer-{number}", 10))
        drawdown.client.produce("commands", void(f"customer-{number}", "no-such"))
    drawdown.wait_for_lag_zero()
    home = {record.value["customerId"]: record.partition for record in drawdown.client.read("commands")}
    assert len(set(home.values())) > 1
    for topic in ("ledger", "balances", "outcomes"):
        for record in drawdown.client.read(topic):
            assert record.partition == home[decode(record.raw)["customerId"]], topic
    assert drawdown.client.topic_settings("balances")["cleanup.policy"] == "compact"


@pytest.mark.parametrize("lanes", [1, 3])
def test_more_outputs_than_the_producers_queue_holds_are_published_once_each_and_in_order(install, lanes):
    drawdown = install({"kafka.queue.buffering.max.messages": 5, "database.lanes": lanes})
    traced = [("traceparent", TRACEPARENT.encode())]
    for number in range(6):
        drawdown.client.produce("commands", grant(f"customer-{number}", 1000))
    drawdown.client.flush()
    for number in range(600):
        event = consume(f"customer-{number % 6}", "0.5", f"use-{number % 552}")  # 48 are duplicates
        drawdown.client.produce("usage", event, headers=traced if number % 7 == 3 else None)
        if number % 50 == 0:
            drawdown.client.produce("usage", b"rubbish", key=f"customer-{number % 6}")
    drawdown.client.flush()
    worker = drawdown.worker(options={"batch.linger": "1s"}).start()
    drawdown.wait_until_counted()
    assert worker.metrics()["drawdown_producers_created_total"] == 1
    drawdown.audit()
    assert len(drawdown.client.read("dead-letters")) == 12
    assert [r.value["outcome"] for r in drawdown.client.read("outcomes")] == ["duplicate"] * 48


def test_an_output_that_the_producers_queue_never_takes_is_told_of_and_waits_for_a_larger_queue(drawdown):
    letter = b"x" * 20000
    worker = drawdown.worker(options={"kafka.queue.buffering.max.kbytes": 1}).start()
    drawdown.client.produce("usage", letter, key="acme")
    drawdown.client.flush()
    told = 'event=publish.produce outcome=retry msg="lost the producer: _QUEUE_FULL: Local: Queue full"'
    wait_until(lambda: told in worker.log_text(), "the worker to tell of it")
    assert worker.terminate() == 0
    drawdown.worker().start()
    drawdown.wait_for_lag_zero()
    assert [record.raw for record in drawdown.client.read("dead-letters")] == [letter]
