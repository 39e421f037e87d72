"""Real usage: two production traces of LLM services, streamed through a worker that is killed and restarted.

Row n of a trace (from 0) is usage of customer acme-<n mod 97>: ContextTokens * 0.0000025 + GeneratedTokens * 0.00001
credits, its key <file's stem>:<n>, its time shifted so that the trace ends now. The traces are looked for in
$DRAWDOWN_TRACES, else beside the repository, in ../shared/data.
"""

import csv
import os
from collections import defaultdict
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from support.events import CURRENCY, grant
from support.faults import ledger_locked
from support.servers import ROOT
from support.wait import wait_until

TRACES = Path(os.environ.get("DRAWDOWN_TRACES", ROOT.parent / "shared/data"))
FILES = ("azure_llm_2023_code.csv", "azure_llm_2023_conv.csv")
CUSTOMERS = 97


def usage_of(path):
    with open(path, newline="") as lines:
        rows = list(csv.DictReader(lines))
    times = [datetime.fromisoformat(row["TIMESTAMP"][:26]).replace(tzinfo=timezone.utc) for row in rows]
    shift = datetime.now(timezone.utc) - max(times)
    for number, (row, time) in enumerate(zip(rows, times)):
        amount = int(row["ContextTokens"]) * Decimal("0.0000025") + int(row["GeneratedTokens"]) * Decimal("0.00001")
        yield {
            "customerId": f"acme-{number % CUSTOMERS}",
            "currencyId": CURRENCY,
            "idempotencyKey": f"{path.stem}:{number}",
            "amount": amount,
            "createdAt": time + shift,
        }


@pytest.mark.skipif(not all((TRACES / name).exists() for name in FILES), reason=f"no traces in {TRACES}")
def test_every_credit_of_a_real_trace_is_accounted_for_across_kills(drawdown, chance):
    events = [event for name in FILES for event in usage_of(TRACES / name)]
    expected = defaultdict(lambda: Decimal(100))
    for event in events:
        expected[event["customerId"]] -= event["amount"]
    stream = list(events)
    for event in chance.sample(events, len(events) // 10):
        stream.insert(chance.randrange(len(stream)), event)
    for number in range(CUSTOMERS):
        drawdown.client.produce("commands", grant(f"acme-{number}", 100))
    drawdown.client.flush()

    worker = drawdown.worker(options={"batch.records.max": 200, "database.lock.timeout": "25s"}).start()
    third = len(stream) // 3 + 1
    for part in range(3):
        goal = drawdown.books.count() + chance.randrange(1000, third // 2)
        with ledger_locked(drawdown):  # or it is done with it before we look
            for event in stream[part * third : (part + 1) * third]:
                drawdown.client.produce("usage", event)
            drawdown.client.flush()
        if part < 2:
            wait_until(lambda: drawdown.books.count() >= goal, f"{goal} entries", pause=0.002)
            worker.kill()
            assert drawdown.unrecorded() > 0, "it was not busy"
            worker.start(ready=False)
    drawdown.wait_for_lag_zero()

    assert {customer: balance for (customer, _, _), balance in drawdown.books.balances().items()} == dict(expected)
    duplicates = [record.value for record in drawdown.client.read("outcomes")]
    assert len(duplicates) == len(stream) - len(events)
    assert {value["outcome"] for value in duplicates} == {"duplicate"}
    assert drawdown.client.read("dead-letters") == []
    drawdown.audit()
