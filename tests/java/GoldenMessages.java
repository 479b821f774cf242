// Writes what Kafka's own classes make of every API that brokers serve, each version in both
// directions, as bodies without headers; and of what group members embed, without the version.
//
//     java -cp 'JARS/*' tests/java/GoldenMessages.java | gzip -9n > protocol/testdata/golden.txt.gz
//
// A line is: NAME VERSION request|response|data KIND HEX. A body is built from the schema; then the
// generated class must read it and write the same bytes, so two spellings of Kafka's vouch for it.

import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.function.Supplier;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.ConsumerProtocolAssignment;
import org.apache.kafka.common.message.ConsumerProtocolSubscription;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.*;
import org.apache.kafka.common.record.internal.MemoryRecords;

public class GoldenMessages {
    enum Kind {
        /** The generated class as it is when new. */
        DEFAULT,
        /** Every field has a value, every collection two elements. */
        FULL,
        /** As FULL, with null wherever it can be. */
        NULLS,
        /** As FULL, with null in what can be null and holds nothing further. */
        INNER_NULLS,
        /** As FULL, with tagged fields that nobody knows in every struct; where there are any. */
        UNKNOWN_TAGS,
        /** Zero and empty everywhere, no tagged fields. */
        EMPTY,
        /** Collections, strings and bytes whose lengths take two bytes as varints. */
        LONG,
    }

    /** One more than fits into a varint of one byte, lengths being written plus one. */
    static final int MANY = 127;

    public static void main(String[] args) {
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 16));
        for (ApiMessageType api : ApiMessageType.values()) {
            if (!api.listeners().contains(ApiMessageType.ListenerType.BROKER)) continue;
            short min = api.lowestSupportedVersion(), max = api.highestSupportedVersion(true);
            for (short v = min; v <= max; v++) {
                boolean flexible = api.requestHeaderVersion(v) >= 2;
                String name = api.name + " " + v;
                Schema request = api.requestSchemas()[v], response = api.responseSchemas()[v];
                entries(out, name + " request", api::newRequest, request, v, flexible);
                entries(out, name + " response", api::newResponse, response, v, flexible);
            }
        }
        embedded(out, ConsumerProtocolSubscription::new, ConsumerProtocolSubscription.SCHEMAS);
        embedded(out, ConsumerProtocolAssignment::new, ConsumerProtocolAssignment.SCHEMAS);
        out.flush();
    }

    static void embedded(PrintStream out, Supplier<Message> fresh, Schema[] schemas) {
        String name = fresh.get().getClass().getSimpleName();
        for (short v = 0; v < schemas.length; v++) {
            entries(out, name + " " + v + " data", fresh, schemas[v], v, false);
        }
    }

    static void entries(
            PrintStream out, String name, Supplier<? extends Message> fresh, Schema schema,
            short version, boolean flexible) {
        for (Kind kind : Kind.values()) {
            if (kind == Kind.UNKNOWN_TAGS && !flexible) continue;
            Message message = fresh.get();
            byte[] body;
            if (kind == Kind.DEFAULT) {
                body = written(message, version);
            } else {
                body = new GoldenMessages(kind).built(schema);
                message.read(new ByteBufferAccessor(ByteBuffer.wrap(body)), version);
                if (!Arrays.equals(body, written(message, version))) {
                    throw new IllegalStateException(name + " " + kind + ": " + message);
                }
            }
            out.println(name + " " + kind + " " + HexFormat.of().formatHex(body));
        }
    }

    static byte[] written(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer buffer = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(buffer), cache, version);
        return buffer.array();
    }

    final Kind kind;

    GoldenMessages(Kind kind) {
        this.kind = kind;
    }

    byte[] built(Schema schema) {
        Struct struct = struct(schema, "", 0, false);
        ByteBuffer buffer = ByteBuffer.allocate(schema.sizeOf(struct));
        schema.write(buffer, struct);
        return buffer.array();
    }

    Struct struct(Schema schema, String path, int index, boolean oneOfMany) {
        Struct struct = new Struct(schema);
        for (BoundField bound : schema.fields()) {
            Object value = bound.def.type instanceof TaggedFields tagged
                ? tags(tagged, path, index)
                : value(bound.def.type, path + "." + bound.def.name, index, oneOfMany);
            struct.set(bound, value);
        }
        return struct;
    }

    NavigableMap<Integer, Object> tags(TaggedFields tagged, String path, int index) {
        NavigableMap<Integer, Object> tags = new TreeMap<>();
        if (kind != Kind.EMPTY) {
            tagged.fields().forEach((tag, field) -> {
                Object value = value(field.type, path + "." + field.name, index, false);
                // A tagged field that can be null is null when it is not there.
                if (value != null) tags.put(tag, value);
            });
        }
        if (kind == Kind.UNKNOWN_TAGS) {
            tags.put(100, new RawTaggedField(100, new byte[] {1, 2, 3}));
            tags.put(10_000, new RawTaggedField(10_000, new byte[0]));
        }
        return tags;
    }

    Object value(Type type, String path, int index, boolean oneOfMany) {
        boolean holdsMore = type.isArray() || type instanceof Schema;
        boolean nulls = kind == Kind.NULLS || kind == Kind.INNER_NULLS && !holdsMore;
        if (nulls && type.isNullable()) return null;
        if (type.isArray()) return array(type.arrayElementType().get(), path, index);
        if (type instanceof Schema schema) return struct(schema, path, index, oneOfMany);
        boolean empty = kind == Kind.EMPTY;
        boolean large = kind == Kind.LONG && !oneOfMany;
        long bits = empty ? 0 : bits(path, index);
        int length = empty ? 0 : large ? 5000 : 5;
        String name = type.toString().replace("COMPACT_", "").replace("NULLABLE_", "");
        return switch (name) {
            case "BOOLEAN" -> !empty && index % 2 == 0;
            case "INT8" -> (byte) bits;
            case "INT16" -> (short) bits;
            case "UINT16" -> (int) bits & 0xffff;
            case "INT32" -> (int) bits;
            case "UINT32" -> bits & 0xffffffffL;
            case "INT64" -> bits;
            case "FLOAT64" -> (double) bits / 3;
            case "UUID" -> empty ? Uuid.ZERO_UUID : new Uuid(bits, ~bits);
            case "STRING" -> empty ? "" : large ? "é".repeat(100) : path.substring(1) + index;
            case "BYTES" -> bytes(bits, length);
            case "RECORDS" -> MemoryRecords.readableRecords(bytes(bits, length));
            default -> throw new IllegalStateException(path + " is of type " + name);
        };
    }

    Object[] array(Type element, String path, int index) {
        boolean innermost = !(element instanceof Schema schema) || !holdsArrays(schema);
        int length = switch (kind) {
            case EMPTY -> 0;
            case LONG -> innermost ? MANY : 1;
            default -> 2;
        };
        Object[] elements = new Object[length];
        for (int i = 0; i < length; i++) {
            elements[i] = value(element, path, 2 * index + i % 2, kind == Kind.LONG && innermost);
        }
        return elements;
    }

    static boolean holdsArrays(Schema schema) {
        for (BoundField bound : schema.fields()) {
            Type type = bound.def.type;
            if (type.isArray() || type instanceof Schema inner && holdsArrays(inner)) return true;
        }
        return false;
    }

    /** Bits that depend on nothing but the place. */
    static long bits(String path, int index) {
        byte[] place = (path + index).getBytes(StandardCharsets.UTF_8);
        return new Random(Arrays.hashCode(place)).nextLong();
    }

    static ByteBuffer bytes(long bits, int length) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) bits);
        return ByteBuffer.wrap(bytes);
    }
}
