"""Reports usage and prints COUNT entries of the ledger, both by way of a schema registry:
registry.py BOOTSTRAP REGISTRY USAGE LEDGER CUSTOMER COUNT. Needs confluent-kafka[avro]."""

import sys
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

from confluent_kafka import DeserializingConsumer, SerializingProducer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import StringDeserializer, StringSerializer

bootstrap, registry_url, usage, ledger, customer, count = sys.argv[1:]
registry = SchemaRegistryClient({"url": registry_url})

# The first record registers the schema under USAGE-value, unless "auto.register.schemas" is false.
schema = (Path(__file__).parents[2] / "Consume.avsc").read_text()
producer = SerializingProducer({
    "bootstrap.servers": bootstrap,
    "partitioner": "murmur2",
    "enable.idempotence": True,
    "key.serializer": StringSerializer(),
    "value.serializer": AvroSerializer(registry, schema),
})


def on_delivery(error, _message):
    if error is not None:
        sys.exit(f"not delivered: {error}")  # produce it again with the same idempotencyKey


event = {
    "customerId": customer,
    "currencyId": "ai-tokens",
    "amount": Decimal("0.75"),
    "idempotencyKey": "python-registry",
    "dimensions": {"model": "large", "tokens": 1200},
    "createdAt": datetime.now(timezone.utc),
}
producer.produce(usage, key=customer, value=event, on_delivery=on_delivery)
producer.flush()

consumer = DeserializingConsumer({
    "bootstrap.servers": bootstrap,
    "group.id": "registry-example-python",
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",  # librdkafka's default, said all the same
    "key.deserializer": StringDeserializer(),
    "value.deserializer": AvroDeserializer(registry),
})
consumer.subscribe([ledger])
left = int(count)
while left:
    message = consumer.poll(1.0)
    if message is None:
        continue
    entry = message.value()
    amounts = [f"{entry[name].normalize():f}" for name in ("amount", "balanceAfter")]
    print(entry["seq"], entry["eventType"], *amounts, entry["idempotencyKey"])
    left -= 1
consumer.close()
