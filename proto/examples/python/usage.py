"""Reports usage twice, as JSON and as Avro: usage.py BOOTSTRAP TOPIC CUSTOMER. Needs confluent-kafka and fastavro."""

import io
import json
import sys
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import fastavro
from confluent_kafka import Producer
from fastavro.schema import fingerprint, to_parsing_canonical_form

bootstrap, topic, customer = sys.argv[1:]
schema = json.loads((Path(__file__).parents[2] / "Consume.avsc").read_text())

# murmur2 is what Java's clients do; librdkafka's own default is another.
producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2", "enable.idempotence": True})


def on_delivery(error, _message):
    if error is not None:
        sys.exit(f"not delivered: {error}")  # produce it again with the same idempotencyKey


event = {
    "customerId": customer,
    "currencyId": "ai-tokens",
    "amount": "1.5",  # exact: a number, or a string of one
    "idempotencyKey": "python-json",  # made once for each event, kept for its retries
    "dimensions": {"model": "large", "tokens": 1200},
    "createdAt": datetime.now(timezone.utc).isoformat(),
}
producer.produce(topic, key=customer, value=json.dumps(event), on_delivery=on_delivery)

event |= {"amount": Decimal("2.25"), "idempotencyKey": "python-avro", "createdAt": datetime.now(timezone.utc)}
single_object = b"\xc3\x01" + bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))
body = io.BytesIO()
fastavro.schemaless_writer(body, fastavro.parse_schema(schema), event)
producer.produce(topic, key=customer, value=single_object + body.getvalue(), on_delivery=on_delivery)
producer.flush()
