"""Schemas as a producer's team might write them, registered and used; and what tests with a registry look at."""

import copy
import io
import itertools
import json
from contextlib import contextmanager

import fastavro

from support.client import SCHEMAS_BY_ID
from support.events import consume, grant
from support.registry import confluent, scripted
from support.servers import ROOT

JSON_OUTPUTS = {"outputs.format": "json"}
numbers = itertools.count(1)
scripted_ids = itertools.count(1_000_001)  # never those of the real one


def usage_schema():
    """Another one each time: Consume as a producer's team might write it."""
    schema = json.loads((ROOT / "proto/Consume.avsc").read_text())
    schema["fields"].reverse()
    schema["fields"].insert(1, {"name": f"extra{next(numbers)}", "type": ["null", "string"], "default": None})
    return schema


def encode(schema, event, named=()):
    names = {}
    for other in named:
        fastavro.parse_schema(copy.deepcopy(other), named_schemas=names)
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(copy.deepcopy(schema), named_schemas=names), event)
    return body.getvalue()


def know(schema_id, schema):
    SCHEMAS_BY_ID[schema_id] = fastavro.parse_schema(copy.deepcopy(schema))
    return schema_id


def produce(drawdown, customer, amount, schema_id, schema, key=None):
    event = consume(customer, amount, key)
    drawdown.client.produce("usage", confluent(schema_id, encode(schema, event)), key=customer)


def registered(registry, schema=None):
    schema = schema or usage_schema()
    return know(registry.register(f"usage-{next(numbers)}", schema), schema), schema


def answer_of(schema):
    return 200, {"schema": json.dumps(schema)}


@contextmanager
def scripted_schema(*before):
    """A scripted registry that knows one schema, after those answers."""
    schema, schema_id = usage_schema(), next(scripted_ids)
    path = f"/schemas/ids/{schema_id}"
    with scripted({path: [*before, answer_of(schema)]}) as registry:
        yield registry, know(schema_id, schema), schema, path


def learn_outputs(drawdown, registry):
    """The ids that `topics create` was given."""
    for name, topic in (("LedgerEntry", "ledger"), ("Balance", "balances"), ("Outcome", "outcomes"), ("Notification", "notifications")):
        latest = registry.ask("GET", f"/subjects/{drawdown.prefix}{topic}-drawdown.{name}/versions/latest")
        know(latest["id"], json.loads(latest["schema"]))


def waits(worker):
    return worker.metrics()["drawdown_schema_waits"]


def reasons(drawdown):
    return [dict(record.headers)["drawdown.reason"].decode() for record in drawdown.client.read("dead-letters")]


def errors(drawdown):
    return [dict(record.headers)["drawdown.error"].decode() for record in drawdown.client.read("dead-letters")]


def fund(drawdown, *customers):
    for customer in customers:
        drawdown.client.produce("commands", grant(customer, 100))
    drawdown.wait_for_lag_zero()


def customers_of_partitions(drawdown, count):
    """One customer each for so many of the usage topic's partitions."""
    found = {}
    for number in itertools.count():
        customer = f"c{number}"
        drawdown.client.produce("commands", grant(customer, 100))
        drawdown.client.flush()
        for record in drawdown.client.read("commands"):
            found.setdefault(record.partition, record.key)
        if len(found) >= count:
            return list(found.values())[:count]
