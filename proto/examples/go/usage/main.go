// Reports usage twice, as JSON and as Avro: usage BOOTSTRAP TOPIC CUSTOMER proto/Consume.avsc
package main

import (
	"context"
	"encoding/json"
	"log"
	"math/big"
	"os"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	bootstrap, topic, customer, schemaFile := os.Args[1], os.Args[2], os.Args[3], os.Args[4]

	// franz-go partitions by murmur2 of the key, as Java does, and its producer is idempotent.
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.DefaultProduceTopic(topic))
	check(err)
	defer client.Close()
	for _, value := range [][]byte{asJSON(customer), asAvro(customer, schemaFile)} {
		record := &kgo.Record{Key: []byte(customer), Value: value}
		// On an error produce it again with the same idempotencyKey.
		check(client.ProduceSync(context.Background(), record).FirstErr())
	}
}

func asJSON(customer string) []byte {
	value, err := json.Marshal(map[string]any{
		"customerId":     customer,
		"currencyId":     "ai-tokens",
		"amount":         json.Number("1.5"),
		"idempotencyKey": "go-json", // made once for each event, kept for its retries
		"dimensions":     map[string]any{"model": "large", "tokens": 1200},
		"createdAt":      time.Now().UTC().Format(time.RFC3339Nano),
	})
	check(err)
	return value
}

// Single-object framing: the fingerprint of Consume.avsc as golden/fingerprints.txt lists it. goavro's own (codec.Rabin) is
// another where a schema has logical types.
var singleObject = []byte{0xC3, 0x01, 0xb5, 0xa1, 0x4c, 0xc0, 0x08, 0x4b, 0xcf, 0x2b}

func asAvro(customer, schemaFile string) []byte {
	schema, err := os.ReadFile(schemaFile)
	check(err)
	codec, err := goavro.NewCodec(string(schema))
	check(err)
	value, err := codec.BinaryFromNative(append([]byte(nil), singleObject...), map[string]any{
		"customerId":     customer,
		"currencyId":     "ai-tokens",
		"resourceId":     nil,
		"amount":         big.NewRat(225, 100),
		"idempotencyKey": "go-avro",
		"dimensions": goavro.Union("map", map[string]any{
			"model":  goavro.Union("string", "large"),
			"tokens": goavro.Union("long", 1200),
		}),
		"createdAt": goavro.Union("long.timestamp-micros", time.Now()),
	})
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
