// Reports usage and prints COUNT entries of the ledger, both by way of a schema registry:
// node registry.js BOOTSTRAP REGISTRY USAGE LEDGER CUSTOMER COUNT
const fs = require('node:fs');
const path = require('node:path');
const { Kafka, Partitioners } = require('kafkajs');
const { COMPATIBILITY, SchemaRegistry, SchemaType } = require('@kafkajs/confluent-schema-registry');
const { Decimal } = require('./decimal');
require('./lz4');

const [bootstrap, host, usage, ledger, customer, count] = process.argv.slice(2);
const registry = new SchemaRegistry({ host }, { [SchemaType.AVRO]: { logicalTypes: { decimal: Decimal } } });
const schema = fs.readFileSync(path.join(__dirname, '../../Consume.avsc'), 'utf8');

async function produce(kafka) {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, idempotent: true });
  // It refuses a subject whose compatibility is another, and takes BACKWARD for meant where none is named.
  const { id } = await registry.register(
    { type: SchemaType.AVRO, schema },
    { subject: `${usage}-value`, compatibility: COMPATIBILITY.FULL_TRANSITIVE },
  );
  const event = {
    customerId: customer,
    currencyId: 'ai-tokens',
    resourceId: null,
    amount: '0.75', // as text: no double on the way
    idempotencyKey: 'node-registry',
    dimensions: { model: { string: 'large' }, tokens: { long: 1200 } },
    createdAt: Date.now() * 1000, // microseconds
  };
  await producer.connect();
  await producer.send({ topic: usage, messages: [{ key: customer, value: await registry.encode(id, event) }] });
  await producer.disconnect();
}

async function consume(kafka) {
  const consumer = kafka.consumer({ groupId: 'registry-example-node' });
  let left = Number(count);
  await consumer.connect();
  await consumer.subscribe({ topics: [ledger], fromBeginning: true });
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, (event) => reject(event.payload.error));
    consumer.run({
      eachMessage: async ({ message }) => {
        const entry = await registry.decode(message.value);
        if (left > 0) console.log(entry.seq, entry.eventType, entry.amount, entry.balanceAfter, entry.idempotencyKey);
        left -= 1;
        if (left === 0) resolve();
      },
    }).catch(reject);
  });
  await consumer.disconnect();
}

async function main() {
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: 1 });
  await produce(kafka);
  await consume(kafka);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
