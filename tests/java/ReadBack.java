// Reads a topic with Kafka's own consumer, and holds it against what a producer said of its records.
//
//     tests/kafka/kafka tool DIR read-back TOPIC KEYS FATES
//
// Record n has key n % KEYS (4 bytes) and is that key's number n / KEYS (the value's first 8 bytes);
// the value ends with the CRC-32 of key and value up to there. Byte n of the file FATES is 1 if the
// record was acknowledged, 2 if it certainly was not written, and 0 if nobody knows.
//
// Prints how many records each partition has and how often each law is broken; the last line is
// `every law holds` if none is. The first breaches of each law go to stderr one by one.

import java.nio.ByteBuffer;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.zip.CRC32;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class ReadBack {
    static final byte UNKNOWN = 0, ACKNOWLEDGED = 1, REFUSED = 2;
    /** No broker takes this long to send something. */
    static final Duration PATIENCE = Duration.ofSeconds(60);
    /** Breaches of a law that are told one by one. */
    static final int TOLD = 10;

    enum Breach { LOST, DOUBLED, OUT_OF_ORDER, DAMAGED, IN_ANOTHER_PARTITION, NEVER_SENT, REFUSED_YET_WRITTEN }

    final int keys;
    final byte[] fates;
    final BitSet seen = new BitSet();
    /** The number of each key's last record; -1 before the first. */
    final long[] last;
    final int partitions;
    final long[] read;
    final Map<Breach, Long> breaches = new EnumMap<>(Breach.class);

    ReadBack(int keys, byte[] fates, int partitions) {
        this.keys = keys;
        this.fates = fates;
        this.partitions = partitions;
        read = new long[partitions];
        last = new long[keys];
        Arrays.fill(last, -1);
    }

    public static void main(String[] args) throws Exception {
        if (args.length != 5 || !args[0].equals("--bootstrap-server")) {
            System.err.println("usage: ReadBack --bootstrap-server HOST:PORT TOPIC KEYS FATES");
            System.exit(2);
        }
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", args[1],
            "max.poll.records", 10_000,
            "max.partition.fetch.bytes", 4 << 20);
        byte[] fates = Files.readAllBytes(Path.of(args[4]));
        var bytes = new ByteArrayDeserializer();
        try (var consumer = new KafkaConsumer<>(settings, bytes, bytes)) {
            List<TopicPartition> all = consumer.partitionsFor(args[2]).stream()
                .map(p -> new TopicPartition(p.topic(), p.partition())).toList();
            consumer.assign(all);
            consumer.seekToBeginning(all);
            ReadBack readBack = new ReadBack(Integer.parseInt(args[3]), fates, all.size());
            readBack.readAll(consumer);
            readBack.lookForLost();
            readBack.report();
        }
    }

    void readAll(Consumer<byte[], byte[]> consumer) {
        Map<TopicPartition, Long> ends = consumer.endOffsets(consumer.assignment());
        long quiet = System.nanoTime();
        while (ends.entrySet().stream().anyMatch(e -> consumer.position(e.getKey()) < e.getValue())) {
            ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofSeconds(1));
            records.forEach(this::look);
            if (!records.isEmpty()) quiet = System.nanoTime();
            if (System.nanoTime() - quiet > PATIENCE.toNanos()) {
                throw new IllegalStateException("nothing more comes, and the end is not reached");
            }
        }
    }

    void look(ConsumerRecord<byte[], byte[]> record) {
        read[record.partition()]++;
        if (!isWhole(record)) {
            breach(Breach.DAMAGED, record, "");
            return;
        }
        int key = ByteBuffer.wrap(record.key()).getInt();
        long number = ByteBuffer.wrap(record.value()).getLong();
        String what = ", number " + number + " of key " + key + ", after " + last[key];
        long n = number * keys + key;
        if (record.partition() != BuiltInPartitioner.partitionForKey(record.key(), partitions)) {
            breach(Breach.IN_ANOTHER_PARTITION, record, what);
        }
        if (n >= fates.length) {
            breach(Breach.NEVER_SENT, record, what);
            return;
        }
        if (fates[(int) n] == REFUSED) breach(Breach.REFUSED_YET_WRITTEN, record, what);
        if (seen.get((int) n)) {
            breach(Breach.DOUBLED, record, what);
        } else if (number < last[key]) {
            breach(Breach.OUT_OF_ORDER, record, what);
        }
        seen.set((int) n);
        last[key] = Math.max(last[key], number);
    }

    boolean isWhole(ConsumerRecord<byte[], byte[]> record) {
        byte[] key = record.key(), value = record.value();
        if (key == null || key.length != 4 || value == null || value.length < 12) return false;
        int k = ByteBuffer.wrap(key).getInt();
        CRC32 crc = new CRC32();
        crc.update(key);
        crc.update(value, 0, value.length - 4);
        int written = ByteBuffer.wrap(value).getInt(value.length - 4);
        return k >= 0 && k < keys && (int) crc.getValue() == written;
    }

    void lookForLost() {
        for (int n = 0; n < fates.length; n++) {
            if (fates[n] == ACKNOWLEDGED && !seen.get(n)) {
                breach(Breach.LOST, "number " + n / keys + " of key " + n % keys);
            }
        }
    }

    void breach(Breach law, ConsumerRecord<byte[], byte[]> record, String what) {
        breach(law, "offset " + record.offset() + " of partition " + record.partition() + what);
    }

    void breach(Breach law, String what) {
        long times = breaches.merge(law, 1L, Long::sum);
        if (times <= TOLD) System.err.println(law + ": " + what);
    }

    void report() {
        for (int p = 0; p < partitions; p++) {
            System.out.printf("%12d in partition %d%n", read[p], p);
        }
        System.out.printf("%12d read%n", Arrays.stream(read).sum());
        long found = seen.stream().filter(n -> fates[n] == UNKNOWN).count();
        System.out.printf("%12d of those that are possibly written%n", found);
        for (Breach law : Breach.values()) {
            String name = law.name().toLowerCase(Locale.ROOT).replace('_', ' ');
            System.out.printf("%12d %s%n", breaches.getOrDefault(law, 0L), name);
        }
        System.out.println(breaches.isEmpty() ? "every law holds" : "a law is broken");
    }
}
