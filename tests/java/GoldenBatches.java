// Writes record batches with Kafka's own builder, and what Kafka reads in them, as text.
//
//     java -cp 'JARS/*' tests/java/GoldenBatches.java > protocol/testdata/batches.txt
//
// A batch is a line `batch NAME`, its bytes in hex, a line `header ..` and a line per record:
//     record OFFSET TIMESTAMP KEY VALUE [HEADER_KEY HEADER_VALUE]..
// A byte string is `null`, or `x` and its hex, or where it is long LENGTH#CRC32C.

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.function.Consumer;
import java.util.zip.CRC32C;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.utils.internals.ByteBufferOutputStream;

public class GoldenBatches {
    static final long NOW = 1_700_000_000_000L;
    static final Header[] NO_HEADERS = {};

    /** How a batch is opened; the fields start as a producer sends them that is not idempotent. */
    static class Opening {
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
            return new MemoryRecordsBuilder(new ByteBufferOutputStream(512), (byte) 2, compression,
                timestampType, baseOffset, logAppendTime, producerId, producerEpoch, baseSequence,
                transactional, control, leaderEpoch, 1 << 20, deleteHorizon);
        }

        void producer(long id, int epoch, int sequence) {
            producerId = id;
            producerEpoch = (short) epoch;
            baseSequence = sequence;
        }
    }

    public static void main(String[] args) {
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
        System.out.println("batch " + name);
        System.out.println(HexFormat.of().formatHex(all));
        DefaultRecordBatch batch = (DefaultRecordBatch) records.batches().iterator().next();
        batch.ensureValid();
        System.out.println(header(batch));
        for (var record : batch) {
            StringBuilder line = new StringBuilder("record " + record.offset());
            line.append(" " + record.timestamp());
            line.append(" " + text(record.key()) + " " + text(record.value()));
            for (Header header : record.headers()) {
                byte[] value = header.value();
                line.append(" " + text(ByteBuffer.wrap(bytes(header.key()))));
                line.append(" " + text(value == null ? null : ByteBuffer.wrap(value)));
            }
            System.out.println(line);
        }
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
