import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.math.BigDecimal;
import java.time.Instant;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.avro.message.BinaryMessageEncoder;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Reports usage twice, as JSON and as Avro: java -cp 'jars/*' Usage.java BOOTSTRAP TOPIC CUSTOMER proto/Consume.avsc */
public class Usage {
    public static void main(String[] args) throws Exception {
        String topic = args[1], customer = args[2];
        Properties properties = new Properties(); // Java's partitioner is murmur2, its producer idempotent
        properties.put("bootstrap.servers", args[0]);
        try (var producer = new KafkaProducer<>(properties, new StringSerializer(), new ByteArraySerializer())) {
            // get(): an error is an exception; produce it again with the same idempotencyKey
            producer.send(new ProducerRecord<>(topic, customer, json(customer))).get();
            producer.send(new ProducerRecord<>(topic, customer, avro(customer, new File(args[3])))).get();
        }
    }

    static byte[] json(String customer) throws Exception {
        return new ObjectMapper().writeValueAsBytes(Map.of(
                "customerId", customer,
                "currencyId", "ai-tokens",
                "amount", new BigDecimal("1.5"),
                "idempotencyKey", "java-json", // made once for each event, kept for its retries
                "dimensions", Map.of("model", "large", "tokens", 1200),
                "createdAt", Instant.now().toString()));
    }

    /** Single-object framing; the encoder writes the schema's fingerprint. */
    static byte[] avro(String customer, File file) throws Exception {
        Schema schema = new Schema.Parser().parse(file);
        GenericData model = new GenericData();
        model.addLogicalTypeConversion(new Conversions.DecimalConversion());
        model.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
        var event = new GenericRecordBuilder(schema)
                .set("customerId", customer)
                .set("currencyId", "ai-tokens")
                .set("amount", new BigDecimal("2.25").setScale(12)) // the schema's scale
                .set("idempotencyKey", "java-avro")
                .set("dimensions", Map.of("model", "large", "tokens", 1200L))
                .set("createdAt", Instant.now())
                .build();
        var bytes = new BinaryMessageEncoder<GenericData.Record>(model, schema).encode(event);
        byte[] value = new byte[bytes.remaining()];
        bytes.get(value);
        return value;
    }
}
