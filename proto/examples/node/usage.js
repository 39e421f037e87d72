// Reports usage twice, as JSON and as Avro: node usage.js BOOTSTRAP TOPIC CUSTOMER
const fs = require('node:fs');
const path = require('node:path');
const avro = require('avsc');
const { Kafka, Partitioners } = require('kafkajs');
const { Decimal } = require('./decimal');

const [bootstrap, topic, customer] = process.argv.slice(2);
const proto = path.join(__dirname, '../..');

// The fingerprint of proto/Consume.avsc, as golden/fingerprints.txt lists it.
const line = fs.readFileSync(`${proto}/golden/fingerprints.txt`, 'utf8').split('\n')
  .find((text) => text.includes('"drawdown.Consume"'));
const singleObject = Buffer.from(`c301${line.split(' ')[0]}`, 'hex');
const Consume = avro.Type.forSchema(JSON.parse(fs.readFileSync(`${proto}/Consume.avsc`)), {
  logicalTypes: { decimal: Decimal },
});

async function main() {
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: 1 });
  // KafkaJS's default partitioner is Java's murmur2 since version 2.
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, idempotent: true });
  const json = {
    customerId: customer,
    currencyId: 'ai-tokens',
    amount: '1.5', // as text: no double on the way
    idempotencyKey: 'node-json', // made once for each event, kept for its retries
    dimensions: { model: 'large', tokens: 1200 },
    createdAt: new Date().toISOString(),
  };
  const event = {
    ...json,
    resourceId: null,
    amount: '2.25',
    idempotencyKey: 'node-avro',
    dimensions: { model: { string: 'large' }, tokens: { long: 1200 } },
    createdAt: Date.now() * 1000, // microseconds
  };
  await producer.connect();
  // An error is thrown; produce it again with the same idempotencyKey.
  await producer.send({
    topic,
    messages: [
      { key: customer, value: JSON.stringify(json) },
      { key: customer, value: Buffer.concat([singleObject, Consume.toBuffer(event)]) },
    ],
  });
  await producer.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
