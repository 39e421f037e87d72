"""Prints COUNT entries of the ledger, JSON or Avro: ledger.py BOOTSTRAP TOPIC COUNT. Needs confluent-kafka and fastavro."""

import io
import json
import sys
from decimal import Decimal
from pathlib import Path

import fastavro
from confluent_kafka import Consumer

bootstrap, topic, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
schema = fastavro.parse_schema(json.loads((Path(__file__).parents[2] / "LedgerEntry.avsc").read_text()))
consumer = Consumer({
    "bootstrap.servers": bootstrap,
    "group.id": "ledger-example-python",
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",  # librdkafka's default, said all the same
})
consumer.subscribe([topic])
while count:
    message = consumer.poll(1.0)
    if message is None:
        continue
    if message.error():
        sys.exit(str(message.error()))
    value = message.value()
    if value[:2] == b"\xc3\x01":  # then 8 bytes that name the schema
        entry = fastavro.schemaless_reader(io.BytesIO(value[10:]), schema)
    else:
        entry = json.loads(value, parse_float=Decimal, parse_int=Decimal)
    amounts = [f"{Decimal(entry[name]).normalize():f}" for name in ("amount", "balanceAfter")]
    print(entry["seq"], entry["eventType"], *amounts, entry["idempotencyKey"])
    count -= 1
consumer.close()
