// Prints the schemas of every API in kafka-clients, and of what group members embed in messages,
// one line per field, and every error code: the truth that the message tables are held against.
//
//     java -cp 'JARS/*' tests/java/DumpSchemas.java > protocol/testdata/schemas.txt
//
// An API opens with its key, name, versions and first flexible version. Then one line per field:
//     request|response|data PATH TYPE VERSIONS [null VERSIONS] [tag N] [must] [default X]
// A field is `must` where Kafka refuses to write a version that would lose it. What is zero, empty
// or a struct has no default to be said. What is embedded has the key -1. At the end stands one
// line per error code:
//     error CODE NAME retriable|final

import java.lang.reflect.Constructor;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.util.*;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.ConsumerProtocolAssignment;
import org.apache.kafka.common.message.ConsumerProtocolSubscription;
import org.apache.kafka.common.protocol.*;
import org.apache.kafka.common.protocol.types.*;
import org.apache.kafka.common.protocol.types.Field;

public class DumpSchemas {
    /** What is known of one field over all versions. */
    static class Info {
        String type;
        Integer tag;
        final TreeSet<Integer> versions = new TreeSet<>();
        final TreeSet<Integer> nullable = new TreeSet<>();
        boolean must;
        String defaultValue = "";
    }

    public static void main(String[] args) throws Exception {
        for (ApiMessageType api : ApiMessageType.values()) {
            int min = api.lowestSupportedVersion();
            int max = api.highestSupportedVersion(true);
            int stable = api.highestSupportedVersion(false);
            if (max < min) continue; // removed in this release
            int flexible = firstFlexible(api, min, max);
            String unstable = stable < max ? " unstable " + max : "";
            String from = flexible > max ? "none" : flexible + "+";
            System.out.printf("api %d %s %d-%d%s flexible %s%n", api.apiKey(), api.name, min,
                stable, unstable, from);
            dump("request", api.newRequest(), api.requestSchemas(), min, max);
            dump("response", api.newResponse(), api.responseSchemas(), min, max);
        }
        embedded(new ConsumerProtocolSubscription(), ConsumerProtocolSubscription.SCHEMAS);
        embedded(new ConsumerProtocolAssignment(), ConsumerProtocolAssignment.SCHEMAS);
        for (Errors error : Errors.values()) {
            String kind = error.exception() instanceof RetriableException ? "retriable" : "final";
            System.out.printf("error %d %s %s%n", error.code(), error, kind);
        }
    }

    static void embedded(Message message, Schema[] schemas) throws Exception {
        int min = message.lowestSupportedVersion(), max = message.highestSupportedVersion();
        String name = message.getClass().getSimpleName();
        System.out.printf("api -1 %s %d-%d flexible none%n", name, min, max);
        dump("data", message, schemas, min, max);
    }

    static int firstFlexible(ApiMessageType api, int min, int max) {
        int flexible = max + 1;
        for (int v = max; v >= min; v--) {
            boolean request = api.requestHeaderVersion((short) v) >= 2;
            boolean response = api.responseHeaderVersion((short) v) >= 1;
            // Clients must be able to read this answer before they know what the broker speaks.
            if (api == ApiMessageType.API_VERSIONS) response = request;
            check(request == response, api + " is flexible in one direction only");
            if (request) {
                check(flexible == v + 1, api + " has other versions between flexible ones");
                flexible = v;
            }
        }
        return flexible;
    }

    static void check(boolean holds, String otherwise) {
        if (!holds) throw new IllegalStateException(otherwise);
    }

    static void dump(String what, Message message, Schema[] schemas, int min, int max)
            throws Exception {
        Map<String, Info> fields = new LinkedHashMap<>();
        for (int v = max; v >= min; v--) walk("", schemas[v], v, fields);
        describe("", message.getClass(), fields, min, max);
        for (var entry : ordered(fields, schemas, min, max)) {
            Info i = entry.getValue();
            StringBuilder line = new StringBuilder(what + " " + entry.getKey() + " " + i.type);
            line.append(" " + ranges(i.versions));
            if (!i.nullable.isEmpty()) line.append(" null " + ranges(i.nullable));
            if (i.tag != null) line.append(" tag " + i.tag);
            if (i.must) line.append(" must");
            if (!i.defaultValue.isEmpty()) line.append(" default " + i.defaultValue);
            System.out.println(line);
        }
    }

    /** Fields in the order of the wire, which is that of every single version. */
    static List<Map.Entry<String, Info>> ordered(
            Map<String, Info> fields, Schema[] schemas, int min, int max) {
        List<String> order = new ArrayList<>();
        for (int v = max; v >= min; v--) {
            Map<String, Info> one = new LinkedHashMap<>();
            walk("", schemas[v], v, one);
            int at = 0;
            for (String path : one.keySet()) {
                int found = order.indexOf(path);
                if (found >= 0) at = found + 1;
                else order.add(at++, path);
            }
        }
        List<Map.Entry<String, Info>> result = new ArrayList<>();
        for (String path : order) result.add(Map.entry(path, fields.get(path)));
        return result;
    }

    static String ranges(TreeSet<Integer> versions) {
        int first = versions.first(), last = versions.last();
        check(last - first + 1 == versions.size(), "there are gaps in " + versions);
        return first + "-" + last;
    }

    static void walk(String prefix, Schema schema, int v, Map<String, Info> fields) {
        for (BoundField bound : schema.fields()) {
            if (bound.def.type instanceof TaggedFields tagged) {
                tagged.fields().forEach((tag, field) -> note(prefix, field, tag, v, fields));
            } else {
                note(prefix, bound.def, null, v, fields);
            }
        }
    }

    static void note(String prefix, Field field, Integer tag, int v, Map<String, Info> fields) {
        String path = prefix + field.name;
        Info info = fields.computeIfAbsent(path, p -> new Info());
        check(info.versions.isEmpty() || Objects.equals(info.tag, tag), path + " changes its tag");
        info.versions.add(v);
        info.tag = tag;
        Type type = field.type;
        boolean nullable = type.isNullable();
        String brackets = "";
        while (type.isArray()) {
            brackets += "[]";
            type = type.arrayElementType().get();
        }
        if (nullable) info.nullable.add(v);
        Schema inner = type instanceof Schema s ? s : null;
        String name = brackets + (inner != null ? "struct" : name(type));
        check(info.type == null || info.type.equals(name), path + " changes its type");
        info.type = name;
        if (inner != null) walk(path + ".", inner, v, fields);
    }

    static String name(Type type) {
        String name = type.toString().toLowerCase(Locale.ROOT)
            .replace("compact_", "").replace("nullable_", "");
        return name.equals("records") ? "bytes" : name;
    }

    /** Class names, defaults and `must`, from the generated classes. */
    static void describe(String prefix, Class<?> type, Map<String, Info> fields, int min, int max)
            throws Exception {
        Constructor<?> make = type.getDeclaredConstructor();
        make.setAccessible(true);
        for (var entry : fields.entrySet()) {
            String path = entry.getKey();
            if (!path.startsWith(prefix) || path.indexOf('.', prefix.length()) >= 0) continue;
            Info info = entry.getValue();
            java.lang.reflect.Field field = find(type, path.substring(prefix.length()));
            field.setAccessible(true);
            Object fresh = make.newInstance();
            Object value = field.get(fresh);
            if (info.type.endsWith("struct")) {
                Class<?> inner = element(field);
                info.type = info.type + ":" + inner.getSimpleName();
                describe(path + ".", inner, fields, info.versions.first(), info.versions.last());
            }
            // Records start as null in Java even where null cannot be written.
            boolean unwritable = value == null && info.nullable.isEmpty();
            info.defaultValue = unwritable ? "" : plain(value);
            for (int v = min; v <= max && !info.must; v++) {
                if (!info.versions.contains(v)) info.must = refuses(fresh, field, value, v);
            }
        }
    }

    static java.lang.reflect.Field find(Class<?> type, String snake) {
        for (java.lang.reflect.Field f : type.getDeclaredFields()) {
            if (snake(f.getName()).replace("_", "").equals(snake.replace("_", ""))) return f;
        }
        throw new IllegalStateException(type + " has no field " + snake);
    }

    static String snake(String camel) {
        return camel.replaceAll("(?<=.)([A-Z])", "_$1").toLowerCase(Locale.ROOT);
    }

    static Class<?> element(java.lang.reflect.Field field) {
        java.lang.reflect.Type type = field.getGenericType();
        if (type instanceof ParameterizedType p) return (Class<?>) p.getActualTypeArguments()[0];
        Class<?> raw = (Class<?>) type;
        if (raw.getGenericSuperclass() instanceof ParameterizedType p) {
            return (Class<?>) p.getActualTypeArguments()[0];
        }
        return raw;
    }

    /** A default worth saying: not zero, empty, or null. Null defaults are said. */
    static String plain(Object value) {
        if (value == null) return "null";
        if (value instanceof Number n) return n.doubleValue() == 0 ? "" : n.toString();
        if (value instanceof Boolean b) return b ? "true" : "";
        if (value instanceof String s) return s.isEmpty() ? "" : '"' + s + '"';
        return "";
    }

    static boolean refuses(Object message, java.lang.reflect.Field field, Object old, int v)
            throws Exception {
        field.set(message, other(field, old));
        try {
            ObjectSerializationCache cache = new ObjectSerializationCache();
            int size = ((Message) message).size(cache, (short) v);
            ByteBuffer buffer = ByteBuffer.allocate(size);
            ((Message) message).write(new ByteBufferAccessor(buffer), cache, (short) v);
            return false;
        } catch (UnsupportedVersionException e) {
            return true;
        } finally {
            field.set(message, old);
        }
    }

    static Object other(java.lang.reflect.Field field, Object old) throws Exception {
        Class<?> type = field.getType();
        if (type == boolean.class) return !((Boolean) old);
        if (type == byte.class) return (byte) (((Byte) old) + 5);
        if (type == short.class) return (short) (((Short) old) + 5);
        if (type == int.class) return old.equals(Integer.MAX_VALUE) ? 5 : ((Integer) old) + 5;
        if (type == long.class) return old.equals(Long.MAX_VALUE) ? 5L : ((Long) old) + 5;
        if (type == double.class) return ((Double) old) + 5;
        if (type == String.class) return "other";
        if (type == Uuid.class) return new Uuid(5, 5);
        if (type == byte[].class) return new byte[] {5};
        if (type == ByteBuffer.class) return ByteBuffer.wrap(new byte[] {5});
        if (type == List.class && old == null) return new ArrayList<>();
        Class<?> element = element(field);
        if (type == List.class) {
            Object one = element == String.class ? "other" : element == Integer.class ? (Object) 5
                : element == Long.class ? (Object) 5L : element == Short.class ? (Object) (short) 5
                : element == Byte.class ? (Object) (byte) 5
                : element == Uuid.class ? (Object) new Uuid(5, 5)
                : fresh(element);
            return new ArrayList<>(List.of(one));
        }
        if (old instanceof Collection || Collection.class.isAssignableFrom(type)) {
            @SuppressWarnings("unchecked")
            Collection<Object> c = (Collection<Object>) fresh(type);
            c.add(fresh(element));
            return c;
        }
        // A struct differs from its default once one of its own fields does.
        Object struct = fresh(type);
        for (java.lang.reflect.Field f : type.getDeclaredFields()) {
            if (Modifier.isStatic(f.getModifiers()) || f.getName().startsWith("_")) continue;
            f.setAccessible(true);
            f.set(struct, other(f, f.get(struct)));
            break;
        }
        return struct;
    }

    static Object fresh(Class<?> type) throws Exception {
        Constructor<?> make = type.getDeclaredConstructor();
        make.setAccessible(true);
        return make.newInstance();
    }
}
