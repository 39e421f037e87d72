import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Conversions;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/** Prints COUNT entries, JSON or Avro: java -cp 'jars/*' Ledger.java BOOTSTRAP TOPIC COUNT proto/LedgerEntry.avsc */
public class Ledger {
    public static void main(String[] args) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        properties.put("group.id", "ledger-example-java");
        properties.put("auto.offset.reset", "earliest");
        properties.put("isolation.level", "read_committed"); // not the default: without it entries can come twice
        int left = Integer.parseInt(args[2]);

        GenericData model = new GenericData();
        model.addLogicalTypeConversion(new Conversions.DecimalConversion());
        model.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
        Schema schema = new Schema.Parser().parse(new File(args[3]));
        var avro = new BinaryMessageDecoder<GenericRecord>(model, schema);
        var json = new ObjectMapper().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);

        try (var consumer = new KafkaConsumer<>(properties, new StringDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(args[1]));
            while (left > 0) {
                for (var record : consumer.poll(Duration.ofSeconds(1))) {
                    byte[] value = record.value();
                    if (value[0] == (byte) 0xC3) {
                        GenericRecord entry = avro.decode(value);
                        print(entry.get("seq"), entry.get("eventType"), entry.get("amount"),
                                entry.get("balanceAfter"), entry.get("idempotencyKey"));
                    } else {
                        Map<?, ?> entry = json.readValue(value, Map.class);
                        print(entry.get("seq"), entry.get("eventType"), entry.get("amount"),
                                entry.get("balanceAfter"), entry.get("idempotencyKey"));
                    }
                    if (--left == 0) {
                        break;
                    }
                }
            }
        }
    }

    static void print(Object seq, Object type, Object amount, Object balance, Object key) {
        System.out.println(seq + " " + type + " " + plain(amount) + " " + plain(balance) + " " + key);
    }

    static String plain(Object amount) {
        return new BigDecimal(amount.toString()).stripTrailingZeros().toPlainString();
    }
}
