// Reports usage and prints COUNT entries of the ledger, both by way of a schema registry:
// registry BOOTSTRAP REGISTRY USAGE LEDGER CUSTOMER COUNT proto/Consume.avsc
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"math/big"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/riferrei/srclient"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	bootstrap, usage, ledger, customer := os.Args[1], os.Args[3], os.Args[4], os.Args[5]
	count, err := strconv.Atoi(os.Args[6])
	check(err)
	schema, err := os.ReadFile(os.Args[7])
	check(err)
	registry := srclient.CreateSchemaRegistryClient(os.Args[2])
	registry.CodecCreationEnabled(true)
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumeTopics(ledger),
		kgo.ConsumerGroup("registry-example-go"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), // not the default: without it entries can come twice
	)
	check(err)
	defer client.Close()

	registered, err := registry.CreateSchema(usage+"-value", string(schema), srclient.Avro)
	check(err)
	record := &kgo.Record{Topic: usage, Key: []byte(customer), Value: encode(registered, customer)}
	check(client.ProduceSync(context.Background(), record).FirstErr())
	for count > 0 {
		fetches := client.PollFetches(context.Background())
		check(fetches.Err())
		for records := fetches.RecordIter(); !records.Done() && count > 0; count-- {
			print(decode(registry, records.Next().Value))
		}
	}
}

// Confluent's framing: a zero, four bytes of the schema's id, the record.
func encode(schema *srclient.Schema, customer string) []byte {
	value := binary.BigEndian.AppendUint32([]byte{0}, uint32(schema.ID()))
	value, err := schema.Codec().BinaryFromNative(value, map[string]any{
		"customerId":     customer,
		"currencyId":     "ai-tokens",
		"resourceId":     nil,
		"amount":         big.NewRat(75, 100),
		"idempotencyKey": "go-registry",
		"dimensions": goavro.Union("map", map[string]any{
			"model":  goavro.Union("string", "large"),
			"tokens": goavro.Union("long", 1200),
		}),
		"createdAt": goavro.Union("long.timestamp-micros", time.Now()),
	})
	check(err)
	return value
}

func decode(registry *srclient.SchemaRegistryClient, value []byte) map[string]any {
	schema, err := registry.GetSchema(int(binary.BigEndian.Uint32(value[1:5]))) // asked for once, then known
	check(err)
	native, _, err := schema.Codec().NativeFromBinary(value[5:])
	check(err)
	return native.(map[string]any)
}

func print(entry map[string]any) {
	key := entry["idempotencyKey"]
	if union, ok := key.(map[string]any); ok {
		key = union["string"]
	}
	fmt.Println(entry["seq"], entry["eventType"], plain(entry["amount"]), plain(entry["balanceAfter"]), key)
}

func plain(amount any) string {
	return strings.TrimRight(strings.TrimRight(amount.(*big.Rat).FloatString(12), "0"), ".")
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
