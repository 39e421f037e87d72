import java.io.File;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Reports usage and prints COUNT entries of the ledger, both by way of a schema registry:
 * java -cp 'jars/*' Registry.java BOOTSTRAP REGISTRY USAGE LEDGER CUSTOMER COUNT proto/Consume.avsc
 */
public class Registry {
    public static void main(String[] args) throws Exception {
        GenericData.get().addLogicalTypeConversion(new Conversions.DecimalConversion());
        GenericData.get().addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
        Schema schema = new Schema.Parser().parse(new File(args[6]));
        try (var producer = new KafkaProducer<String, GenericRecord>(properties(args[0], args[1]))) {
            producer.send(new ProducerRecord<>(args[2], args[4], event(args[4], schema))).get();
        }
        try (var consumer = new KafkaConsumer<String, GenericRecord>(properties(args[0], args[1]))) {
            consumer.subscribe(List.of(args[3]));
            for (int left = Integer.parseInt(args[5]); left > 0;) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    GenericRecord entry = record.value();
                    System.out.println(entry.get("seq") + " " + entry.get("eventType") + " " + plain(entry.get("amount"))
                            + " " + plain(entry.get("balanceAfter")) + " " + entry.get("idempotencyKey"));
                    if (--left == 0) {
                        break;
                    }
                }
            }
        }
    }

    /**
     * Apicurio's serde, in Confluent's framing with the ids of its interface for Confluent's clients. REGISTRY is
     * http://HOST:PORT/apis/registry/v2. Confluent's own, io.confluent.kafka.serializers.KafkaAvroSerializer and
     * KafkaAvroDeserializer, take schema.registry.url instead of what begins with "apicurio", and
     * avro.use.logical.type.converters.
     */
    static Properties properties(String bootstrap, String registry) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        properties.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
        properties.put("value.serializer", "io.apicurio.registry.serde.avro.AvroKafkaSerializer");
        properties.put("value.deserializer", "io.apicurio.registry.serde.avro.AvroKafkaDeserializer");
        properties.put("group.id", "registry-example-java");
        properties.put("auto.offset.reset", "earliest");
        properties.put("isolation.level", "read_committed"); // not the default: without it entries can come twice
        properties.put("apicurio.registry.url", registry);
        properties.put("apicurio.registry.auto-register", "true");
        properties.put("apicurio.registry.as-confluent", "true");
        properties.put("apicurio.registry.use-id", "contentId");
        properties.put("apicurio.registry.headers.enabled", "false"); // else the id is in a header, not before the record
        return properties;
    }

    static GenericRecord event(String customer, Schema schema) {
        return new GenericRecordBuilder(schema)
                .set("customerId", customer)
                .set("currencyId", "ai-tokens")
                .set("amount", new BigDecimal("0.75").setScale(12)) // the schema's scale
                .set("idempotencyKey", "java-registry")
                .set("dimensions", Map.of("model", "large", "tokens", 1200L))
                .set("createdAt", Instant.now())
                .build();
    }

    static String plain(Object amount) {
        return ((BigDecimal) amount).stripTrailingZeros().toPlainString();
    }
}
