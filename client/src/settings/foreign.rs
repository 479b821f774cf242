//! Settings of other clients: those that mean nothing here, and those that would change what a program
//! relies on, and are refused with a reason.

/// What a name of another client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// It tells the other client about its own parts.
    Meaningless,
    /// It asks for something that is not there.
    Refused(&'static str),
    /// It is no name of theirs, either.
    Unknown,
}

/// Names that mean nothing here. One that ends in a dot stands for all that begin with it.
#[rustfmt::skip]
const MEANINGLESS: &[&str] = &[
    "key.serializer", "value.serializer", "key.deserializer", "value.deserializer",
    "client.dns.lookup", "send.buffer.bytes", "receive.buffer.bytes", "metric.reporters", "metrics.",
    "enable.metrics.push", "auto.include.jmx.reporter", "exclude.internal.topics",
    "batch.num.messages", "queue.buffering.max.messages", "queued.min.messages", "fetch.queue.backoff.ms",
    "fetch.error.backoff.ms", "sticky.partitioning.linger.ms", "queue.buffering.backpressure.threshold",
    "socket.send.buffer.bytes", "socket.receive.buffer.bytes", "socket.nagle.disable",
    "socket.keepalive.enable", "socket.max.fails", "socket.timeout.ms", "broker.address.ttl",
    "message.copy.max.bytes", "max.in.flight.messages", "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.sparse", "api.version.request", "api.version.request.timeout.ms",
    "api.version.fallback.ms", "broker.version.fallback", "statistics.interval.ms", "log_level",
    "log.queue", "log.thread.name", "log.connection.close", "debug", "enable.random.seed",
    "enable.sparse.connections", "internal.", "opaque", "builtin.features",
    "delivery.report.only.error", "produce.offset.report", "go.", "dotnet.",
];

const GROUPS: &str = "consumer groups are not supported yet; assign partitions";
const TRANSACTIONS: &str = "transactions are not supported yet";
const SECURITY: &str = "TLS and SASL are not supported yet";
const RETRIES: &str = "delivery.timeout.ms bounds how long a record is tried; remove it";
const CODE: &str = "it names a class of another client; use the API";

/// Names that are refused, but for the values behind them, which ask for what is there anyway.
#[rustfmt::skip]
const REFUSED: &[(&str, &str, &[&str])] = &[
    ("group.", GROUPS, &[]), ("partition.assignment.strategy", GROUPS, &[]),
    ("enable.auto.commit", GROUPS, &["false"]), ("auto.commit.", GROUPS, &[]),
    ("enable.auto.offset.store", GROUPS, &["false"]), ("session.timeout.ms", GROUPS, &[]),
    ("heartbeat.interval.ms", GROUPS, &[]), ("max.poll.", GROUPS, &[]), ("offset.store.", GROUPS, &[]),
    ("transactional.id", TRANSACTIONS, &[]), ("transaction.", TRANSACTIONS, &[]),
    ("security.protocol", SECURITY, &["PLAINTEXT", "plaintext"]), ("security.", SECURITY, &[]),
    ("ssl.", SECURITY, &[]), ("sasl.", SECURITY, &[]), ("enable.ssl.", SECURITY, &[]),
    ("retries", RETRIES, &["2147483647"]), ("message.send.max.retries", RETRIES, &["2147483647"]),
    ("partitioner.class", CODE, &[]), ("interceptor.classes", CODE, &["", "[]"]),
    ("plugin.library.paths", CODE, &[""]),
    ("queue.buffering.max.kbytes", "give buffer.memory, in bytes", &[]),
];

/// What a name of another client is, with this value.
pub(crate) fn of(name: &str, value: &str) -> Foreign {
    let stands_for =
        |known: &str| name == known || (known.ends_with('.') && name.starts_with(known));
    let refused = REFUSED.iter().find(|(known, ..)| stands_for(known));
    if let Some((_, why, except)) = refused {
        return match except.contains(&value.trim()) {
            true => Foreign::Meaningless,
            false => Foreign::Refused(why),
        };
    }
    if MEANINGLESS.iter().any(|known| stands_for(known)) {
        Foreign::Meaningless
    } else {
        Foreign::Unknown
    }
}
