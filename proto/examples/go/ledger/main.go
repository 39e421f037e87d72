// Prints COUNT entries of the ledger, JSON or Avro: ledger BOOTSTRAP TOPIC COUNT proto/LedgerEntry.avsc
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"math/big"
	"os"
	"strconv"
	"strings"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	count, err := strconv.Atoi(os.Args[3])
	check(err)
	schema, err := os.ReadFile(os.Args[4])
	check(err)
	codec, err := goavro.NewCodec(string(schema))
	check(err)
	client, err := kgo.NewClient(
		kgo.SeedBrokers(os.Args[1]),
		kgo.ConsumeTopics(os.Args[2]),
		kgo.ConsumerGroup("ledger-example-go"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), // not the default: without it entries can come twice
	)
	check(err)
	defer client.Close()
	for count > 0 {
		fetches := client.PollFetches(context.Background())
		check(fetches.Err())
		for records := fetches.RecordIter(); !records.Done() && count > 0; count-- {
			print(decode(codec, records.Next().Value))
		}
	}
}

func decode(codec *goavro.Codec, value []byte) map[string]any {
	if value[0] == 0xC3 { // 0xC3 0x01, then 8 bytes that name the schema
		native, _, err := codec.NativeFromBinary(value[10:])
		check(err)
		return native.(map[string]any)
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber()
	var entry map[string]any
	check(decoder.Decode(&entry))
	return entry
}

func print(entry map[string]any) {
	key := entry["idempotencyKey"]
	if union, ok := key.(map[string]any); ok {
		key = union["string"]
	}
	fmt.Println(entry["seq"], entry["eventType"], plain(entry["amount"]), plain(entry["balanceAfter"]), key)
}

func plain(amount any) string {
	if rational, ok := amount.(*big.Rat); ok {
		return strings.TrimRight(strings.TrimRight(rational.FloatString(12), "0"), ".")
	}
	return fmt.Sprint(amount)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
