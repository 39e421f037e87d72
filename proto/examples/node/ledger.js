// Prints COUNT entries of the ledger, JSON or Avro: node ledger.js BOOTSTRAP TOPIC COUNT
const fs = require('node:fs');
const path = require('node:path');
const avro = require('avsc');
const { Kafka } = require('kafkajs');
const { Decimal } = require('./decimal');
require('./lz4');

const [bootstrap, topic, count] = process.argv.slice(2);
const schema = JSON.parse(fs.readFileSync(path.join(__dirname, '../../LedgerEntry.avsc')));
const LedgerEntry = avro.Type.forSchema(schema, { logicalTypes: { decimal: Decimal } });

async function main() {
  const kafka = new Kafka({ brokers: [bootstrap], logLevel: 1 });
  // KafkaJS reads committed records only, unless it is told readUncommitted.
  const consumer = kafka.consumer({ groupId: 'ledger-example-node' });
  let left = Number(count);
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, (event) => reject(event.payload.error));
    consumer.run({
      eachMessage: async ({ message }) => {
        const isAvro = message.value[0] === 0xc3; // 0xc3 0x01, then 8 bytes that name the schema
        // JSON.parse makes doubles of amounts; a program that adds them up takes a parser that does not
        const entry = isAvro ? LedgerEntry.fromBuffer(message.value.subarray(10)) : JSON.parse(message.value);
        if (left > 0) {
          console.log(entry.seq, entry.eventType, `${entry.amount}`, `${entry.balanceAfter}`, entry.idempotencyKey);
        }
        left -= 1;
        if (left === 0) resolve();
      },
    }).catch(reject);
  });
  await consumer.disconnect();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
