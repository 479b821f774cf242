// Writes record batches with Kafka's own builder, and what Kafka reads in them, as text.
//
//     java -cp 'JARS/*' tests/java/GoldenBatches.java > protocol/testdata/batches.txt
//
// A batch is a line `batch NAME`, its bytes in hex, a line `header ..` and a line per record:
//     record OFFSET TIMESTAMP KEY VALUE [HEADER_KEY HEADER_VALUE]..
// A byte string is `null`, or `x` and its hex, or where it is long LENGTH#CRC32C. Behind a control
// batch stands what it says: `control TYPE COORDINATOR_EPOCH`.
//
// A set of messages in format version 0 or 1 is a line `set NAME`, its bytes, and for each message
// that is not in another a line `message ..` and a line per record.
//
// A log is a line `log NAME FROM`, the bytes that a fetch from this offset brings, a line `aborted
// PRODUCER FIRST_OFFSET` for each transaction that the broker lists with them, a line `record ..`
// for each that Kafka's consumer delivers of it with read_committed, and `next OFFSET`, where it
// goes on.

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.internals.*;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.FetchResponseData;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.serialization.ByteBufferDeserializer;
import org.apache.kafka.common.utils.internals.BufferSupplier;
import org.apache.kafka.common.utils.internals.ByteBufferOutputStream;
import org.apache.kafka.common.utils.internals.LogContext;

public class GoldenBatches {
    static final long NOW = 1_700_000_000_000L;
    static final Header[] NO_HEADERS = {};

    /** How a batch is opened; the fields start as a producer sends them that is not idempotent. */
    static class Opening {
        byte magic = 2;
        Compression compression = Compression.NONE;
        TimestampType timestampType = TimestampType.CREATE_TIME;
        long baseOffset = 0;
        long logAppendTime = -1;
        long producerId = -1;
        short producerEpoch = -1;
        int baseSequence = -1;
        boolean transactional = false;
        boolean control = false;
        int leaderEpoch = -1;
        long deleteHorizon = -1;

        MemoryRecordsBuilder builder() {
            return new MemoryRecordsBuilder(new ByteBufferOutputStream(512), magic, compression,
                timestampType, baseOffset, logAppendTime, producerId, producerEpoch, baseSequence,
                transactional, control, leaderEpoch, 1 << 20, deleteHorizon);
        }

        void producer(long id, int epoch, int sequence) {
            producerId = id;
            producerEpoch = (short) epoch;
            baseSequence = sequence;
        }
    }

    public static void main(String[] args) throws Exception {
        Map<String, Compression> codecs = new LinkedHashMap<>();
        codecs.put("none", Compression.NONE);
        codecs.put("gzip", Compression.gzip().build());
        codecs.put("snappy", Compression.snappy().build());
        codecs.put("lz4", Compression.lz4().build());
        codecs.put("zstd", Compression.zstd().build());
        codecs.forEach((name, codec) -> {
            batch("plain-" + name, o -> o.compression = codec, GoldenBatches::plain);
            batch("headers-" + name, o -> o.compression = codec, GoldenBatches::headers);
            batch("noise-" + name, o -> o.compression = codec, GoldenBatches::noise);
            if (codec != Compression.NONE) {
                batch("long-" + name, o -> o.compression = codec, GoldenBatches::longer);
            }
        });
        batch("nulls", o -> {}, GoldenBatches::nulls);
        batch("idempotent", o -> o.producer(77, 3, Integer.MAX_VALUE - 1), GoldenBatches::plain);
        batch("transactional", o -> {
            o.producer(Long.MAX_VALUE, Short.MAX_VALUE, 9);
            o.transactional = true;
        }, GoldenBatches::plain);
        batch("placed", o -> {
            o.baseOffset = 1L << 40;
            o.leaderEpoch = 12;
        }, GoldenBatches::plain);
        batch("appended", o -> {
            o.timestampType = TimestampType.LOG_APPEND_TIME;
            o.logAppendTime = NOW + 5000;
        }, GoldenBatches::plain);
        batch("appended-zstd", o -> {
            o.compression = codecs.get("zstd");
            o.timestampType = TimestampType.LOG_APPEND_TIME;
            o.logAppendTime = NOW + 5000;
        }, GoldenBatches::plain);
        batch("compacted", o -> o.baseOffset = 100, GoldenBatches::compacted);
        batch("horizon", o -> {
            o.baseOffset = 100;
            o.deleteHorizon = NOW + 86_400_000;
        }, GoldenBatches::compacted);
        marker("commit", ControlRecordType.COMMIT);
        marker("abort", ControlRecordType.ABORT);
        emptied();
        codecs.remove("zstd");
        codecs.forEach((name, codec) -> {
            set("0-" + name, 0, codec, GoldenBatches::plain);
            set("1-" + name, 1, codec, GoldenBatches::plain);
            set("0-nulls-" + name, 0, codec, GoldenBatches::nulls);
            set("1-nulls-" + name, 1, codec, GoldenBatches::nulls);
            placed("0-placed-" + name, 0, codec, TimestampType.NO_TIMESTAMP_TYPE);
            placed("1-placed-" + name, 1, codec, TimestampType.CREATE_TIME);
            placed("1-appended-" + name, 1, codec, TimestampType.LOG_APPEND_TIME);
            if (codec != Compression.NONE) {
                set("0-long-" + name, 0, codec, GoldenBatches::longer);
                set("1-long-" + name, 1, codec, GoldenBatches::longer);
            }
        });
        transactions();
    }

    static void plain(MemoryRecordsBuilder builder) {
        builder.append(NOW, bytes("key"), bytes("value"));
        builder.append(NOW - 10_000, bytes("key"), bytes("an earlier one"));
        builder.append(NOW + 100_000_000_000L, bytes("clé"), bytes("值"));
    }

    static void headers(MemoryRecordsBuilder builder) {
        builder.append(NOW, bytes("k"), bytes("v"), new Header[] {
            new RecordHeader("a", bytes("1")), new RecordHeader("a", (byte[]) null),
            new RecordHeader("", bytes("")), new RecordHeader("é", new byte[] {0, -1}),
        });
        Header[] many = new Header[70];
        Arrays.setAll(many, i -> new RecordHeader("h" + i % 3, bytes("" + i)));
        builder.append(NOW, null, bytes(""), many);
    }

    static void nulls(MemoryRecordsBuilder builder) {
        builder.append(NOW, bytes("tombstone"), null);
        builder.append(NOW, null, bytes("no key"));
        builder.append(NOW, (byte[]) null, null);
        builder.append(NOW, bytes(""), bytes(""));
    }

    /** What does not compress. */
    static void noise(MemoryRecordsBuilder builder) {
        Random random = new Random(1);
        for (int i = 0; i < 3; i++) {
            byte[] value = new byte[700];
            random.nextBytes(value);
            builder.append(NOW + i, null, value);
        }
    }

    /** Longer than the blocks of LZ4 and Snappy, and compressible. */
    static void longer(MemoryRecordsBuilder builder) {
        for (int i = 0; i < 70; i++) {
            String value = ("the same words again, and number " + i + " once; ").repeat(90);
            builder.append(NOW + i, bytes("key-" + i), bytes(value));
        }
    }

    static void compacted(MemoryRecordsBuilder builder) {
        builder.appendWithOffset(103, NOW, bytes("a"), bytes("1"), NO_HEADERS);
        builder.appendWithOffset(107, NOW + 1, bytes("b"), null, NO_HEADERS);
        builder.overrideLastOffset(109);
    }

    static void marker(String name, ControlRecordType type) {
        var marker = new EndTransactionMarker(type, 4);
        show(name, MemoryRecords.withEndTransactionMarker(500, NOW, 6, 77, (short) 3, marker));
    }

    /** Compaction left nothing but the header. */
    static void emptied() {
        ByteBuffer buffer = ByteBuffer.allocate(DefaultRecordBatch.RECORD_BATCH_OVERHEAD);
        DefaultRecordBatch.writeEmptyHeader(buffer, (byte) 2, 77, (short) 3, 9, 200, 219, 6,
            TimestampType.CREATE_TIME, NOW, true, false);
        buffer.flip();
        show("emptied", MemoryRecords.readableRecords(buffer));
    }

    /** A set as a producer sent it: its offsets begin at 0. */
    static MemoryRecords sent(int magic, Compression codec, Consumer<MemoryRecordsBuilder> fills) {
        Opening opening = new Opening();
        opening.magic = (byte) magic;
        opening.compression = codec;
        if (magic == 0) opening.timestampType = TimestampType.NO_TIMESTAMP_TYPE;
        MemoryRecordsBuilder builder = opening.builder();
        fills.accept(builder);
        return builder.build();
    }

    static void set(String name, int magic, Compression codec, Consumer<MemoryRecordsBuilder> fills) {
        show(name, sent(magic, codec, fills));
    }

    /** A set in a log, as brokers put it there; only the offsets inside version 0 are rewritten. */
    static void placed(String name, int magic, Compression codec, TimestampType type) {
        MemoryRecords records;
        if (magic == 0) {
            Opening opening = new Opening();
            opening.magic = 0;
            opening.compression = codec;
            opening.timestampType = type;
            opening.baseOffset = 5_000_000_000L;
            MemoryRecordsBuilder builder = opening.builder();
            builder.appendWithOffset(5_000_000_000L, NOW, bytes("a"), bytes("1"), NO_HEADERS);
            builder.appendWithOffset(5_000_000_003L, NOW, bytes("b"), bytes("2"), NO_HEADERS);
            records = builder.build();
        } else {
            records = sent(magic, codec, GoldenBatches::plain);
            long offset = 5_000_000_000L;
            for (MutableRecordBatch batch : records.batches()) {
                batch.setLastOffset(codec == Compression.NONE ? offset++ : offset + 2);
                long time = type == TimestampType.LOG_APPEND_TIME ? NOW + 5000 : batch.maxTimestamp();
                batch.setMaxTimestamp(type, time);
            }
        }
        show(name, records);
    }

    /** A log that producers write transactions into. */
    static class Log {
        final ByteBuffer buffer = ByteBuffer.allocate(1 << 16);
        /** Where the batches begin, by their first offset. */
        final TreeMap<Long, Integer> batches = new TreeMap<>();
        long next = 100;

        void write(long producer, boolean transactional, String... values) {
            Opening opening = new Opening();
            opening.baseOffset = next;
            opening.producer(producer, 3, 0);
            opening.transactional = transactional;
            if (values.length > 2) opening.compression = Compression.gzip().build();
            MemoryRecordsBuilder builder = opening.builder();
            for (String value : values) builder.append(NOW, null, bytes(value));
            batches.put(next, buffer.position());
            buffer.put(builder.build().buffer());
            next += values.length;
        }

        void end(long producer, ControlRecordType type) {
            var marker = new EndTransactionMarker(type, 4);
            batches.put(next, buffer.position());
            buffer.put(MemoryRecords.withEndTransactionMarker(
                next++, NOW, 6, producer, (short) 3, marker).buffer());
        }

        /** What a fetch brings: whole batches. */
        byte[] from(long offset) {
            int begin = batches.floorEntry(offset).getValue();
            return Arrays.copyOfRange(buffer.array(), begin, buffer.position());
        }
    }

    static void transactions() throws Exception {
        Log log = new Log();
        log.write(1, true, "1: aborted", "1: aborted, too"); // 100
        log.write(2, true, "2: committed");                  // 102
        log.write(1, true, "1: aborted", "and", "packed");   // 103
        log.write(-1, false, "of nobody");                   // 106
        log.end(2, ControlRecordType.COMMIT);                // 107
        log.write(2, true, "2: aborted");                    // 108
        log.end(1, ControlRecordType.ABORT);                 // 109
        log.write(1, true, "1: committed", "and", "packed"); // 110
        log.write(2, true, "2: aborted still");              // 113
        log.end(1, ControlRecordType.COMMIT);                // 114
        log.end(2, ControlRecordType.ABORT);                 // 115
        log.end(1, ControlRecordType.ABORT);                 // 116, of nothing
        log.write(1, true, "1: committed, the second");      // 117
        log.write(2, false, "2: without a transaction");     // 118
        log.end(1, ControlRecordType.COMMIT);                // 119
        log.write(1, true, "1: aborted again");              // 120
        log.write(2, true, "2: committed again");            // 121
        log.end(2, ControlRecordType.COMMIT);                // 122
        log.end(1, ControlRecordType.ABORT);                 // 123
        log.write(1, false, "1: the last");                  // 124
        log.end(2, ControlRecordType.COMMIT);                // 125, the end of what is fetched
        long[][] all = {{1, 120}, {2, 108}, {1, 100}};
        committed("from-the-start", log, 100, all);
        committed("from-inside", log, 104, all);
        committed("from-the-second", log, 110, new long[][] {{2, 108}, {1, 120}});

        Log odd = new Log();
        odd.write(1, true, "aborted");               // 100
        odd.end(1, ControlRecordType.COMMIT);        // 101, where an abort should be
        odd.write(1, true, "aborted, too");          // 102
        odd.end(1, ControlRecordType.ABORT);         // 103
        odd.write(1, true, "committed");             // 104
        odd.end(1, ControlRecordType.COMMIT);        // 105
        committed("two-and-one-abort", odd, 100, new long[][] {{1, 102}, {1, 100}});
        committed("a-commit-inside", odd, 100, new long[][] {{1, 100}});
    }

    /** What Kafka's own consumer makes of it. */
    static void committed(String name, Log log, long from, long[][] aborted) throws Exception {
        byte[] bytes = log.from(from);
        System.out.println("log " + name + " " + from);
        System.out.println(HexFormat.of().formatHex(bytes));
        var data = new FetchResponseData.PartitionData().setPartitionIndex(0)
            .setRecords(MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)))
            .setAbortedTransactions(new ArrayList<>());
        for (long[] transaction : aborted) {
            System.out.println("aborted " + transaction[0] + " " + transaction[1]);
            data.abortedTransactions().add(new FetchResponseData.AbortedTransaction()
                .setProducerId(transaction[0]).setFirstOffset(transaction[1]));
        }
        CompletedFetch fetch = fetched(data, from);
        var config = new FetchConfig(1, 1, 1, 1, 1, true, "", IsolationLevel.READ_COMMITTED);
        var plain = new ByteBufferDeserializer();
        var deserializers = new Deserializers<>(plain, plain, new Metrics());
        var fetchRecords = CompletedFetch.class.getDeclaredMethod(
            "fetchRecords", FetchConfig.class, Deserializers.class, int.class);
        fetchRecords.setAccessible(true);
        for (Object each : (List<?>) fetchRecords.invoke(fetch, config, deserializers, 1000)) {
            var record = (ConsumerRecord<?, ?>) each;
            System.out.println("record " + record.offset() + " " + record.timestamp()
                + " " + text((ByteBuffer) record.key()) + " " + text((ByteBuffer) record.value()));
        }
        var next = CompletedFetch.class.getDeclaredMethod("nextFetchOffset");
        next.setAccessible(true);
        System.out.println("next " + next.invoke(fetch));
    }

    /** The consumer keeps its classes to itself. */
    static CompletedFetch fetched(FetchResponseData.PartitionData data, long from) throws Exception {
        var partition = new TopicPartition("t", 0);
        var context = new LogContext();
        var positions = new SubscriptionState(context, AutoOffsetResetStrategy.NONE);
        positions.assignFromUser(Set.of(partition));
        var registry = new FetchMetricsRegistry();
        Class<?> aggregator = Class.forName(CompletedFetch.class.getPackageName() + ".FetchMetricsAggregator");
        var aggregates = aggregator.getDeclaredConstructors()[0];
        aggregates.setAccessible(true);
        var metrics = aggregates.newInstance(
            new FetchMetricsManager(new Metrics(), registry), Set.of(partition));
        var constructor = CompletedFetch.class.getDeclaredConstructors()[0];
        constructor.setAccessible(true);
        return (CompletedFetch) constructor.newInstance(context.logger(CompletedFetch.class), positions,
            BufferSupplier.create(), partition, data, metrics, from);
    }

    static void batch(String name, Consumer<Opening> opens, Consumer<MemoryRecordsBuilder> fills) {
        Opening opening = new Opening();
        opens.accept(opening);
        MemoryRecordsBuilder builder = opening.builder();
        fills.accept(builder);
        show(name, builder.build());
    }

    static void show(String name, MemoryRecords records) {
        ByteBuffer buffer = records.buffer().duplicate();
        byte[] all = new byte[buffer.remaining()];
        buffer.get(all);
        boolean batches = records.batches().iterator().next() instanceof DefaultRecordBatch;
        System.out.println((batches ? "batch " : "set ") + name);
        System.out.println(HexFormat.of().formatHex(all));
        for (MutableRecordBatch batch : records.batches()) {
            batch.ensureValid();
            System.out.println(batch instanceof DefaultRecordBatch it ? header(it) : message(batch));
            for (var record : batch) show(record, batch.isControlBatch());
        }
    }

    static void show(org.apache.kafka.common.record.internal.Record record, boolean control) {
        record.ensureValid();
        StringBuilder line = new StringBuilder("record " + record.offset());
        line.append(" " + record.timestamp());
        line.append(" " + text(record.key()) + " " + text(record.value()));
        for (Header header : record.headers()) {
            byte[] value = header.value();
            line.append(" " + text(ByteBuffer.wrap(bytes(header.key()))));
            line.append(" " + text(value == null ? null : ByteBuffer.wrap(value)));
        }
        System.out.println(line);
        if (control) {
            var type = ControlRecordType.parse(record.key());
            var marker = EndTransactionMarker.deserialize(record);
            System.out.println("control " + type + " " + marker.coordinatorEpoch());
        }
    }

    static String message(RecordBatch message) {
        int count = 0;
        for (var record : message) count++;
        return "message magic " + message.magic()
            + " base-offset " + message.baseOffset()
            + " last-offset " + message.lastOffset()
            + " count " + count
            + " crc " + message.checksum()
            + " compression " + message.compressionType().name
            + " time " + message.timestampType()
            + " max-timestamp " + message.maxTimestamp();
    }

    static String header(DefaultRecordBatch batch) {
        OptionalLong horizon = batch.deleteHorizonMs();
        return "header base-offset " + batch.baseOffset()
            + " last-offset " + batch.lastOffset()
            + " count " + batch.countOrNull()
            + " leader-epoch " + batch.partitionLeaderEpoch()
            + " crc " + batch.checksum()
            + " compression " + batch.compressionType().name
            + " time " + batch.timestampType()
            + " base-timestamp " + batch.baseTimestamp()
            + " max-timestamp " + batch.maxTimestamp()
            + " producer " + batch.producerId() + "/" + batch.producerEpoch()
            + " base-sequence " + batch.baseSequence()
            + " transactional " + batch.isTransactional()
            + " control " + batch.isControlBatch()
            + " delete-horizon " + (horizon.isPresent() ? "" + horizon.getAsLong() : "none");
    }

    static String text(ByteBuffer buffer) {
        if (buffer == null) return "null";
        byte[] all = new byte[buffer.remaining()];
        buffer.duplicate().get(all);
        if (all.length <= 40) return "x" + HexFormat.of().formatHex(all);
        CRC32C crc = new CRC32C();
        crc.update(all);
        return all.length + "#" + Long.toHexString(crc.getValue());
    }

    static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
