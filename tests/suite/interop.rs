//! Java reads what Ottla wrote, Ottla reads what Java wrote, and Kafka's own dump of its log finds
//! nothing wrong with it. Only on real Kafka.

use std::collections::BTreeMap;

use ottla::{
    Consumer, Producer, Start,
    protocol::records::{Compression, OwnedHeader},
};
use ottla_tests::{Kafka, OwnRecord, Target, expect_records, patient, read, send_all};

const RECORDS: i64 = 50;

/// Records that a console can print: keys, values and headers are words.
fn wordy_records() -> Vec<OwnRecord> {
    let word = |prefix: &str, n| -> bytes::Bytes { format!("{prefix}{n}").into() };
    let record = |n| OwnRecord {
        partition: Some(0),
        key: Some(word("key-", n)),
        value: Some(word("a value that repeats itself, value ", n)),
        headers: vec![OwnedHeader {
            key: word("h", n),
            value: Some(word("v", n)),
        }],
        timestamp: None,
    };
    (0..RECORDS).map(record).collect()
}

/// A record as the consoles write it: headers, key and value, with tabs between.
fn line(record: &OwnRecord) -> String {
    let text = |bytes: &bytes::Bytes| String::from_utf8_lossy(bytes).into_owned();
    let header = &record.headers[0];
    let field = |bytes: &Option<bytes::Bytes>| text(bytes.as_ref().expect("it has one"));
    let (name, value) = (text(&header.key), field(&header.value));
    format!(
        "{name}:{value}\t{}\t{}\n",
        field(&record.key),
        field(&record.value)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_java_consumer_and_kafkas_log_dump_read_what_ottla_wrote_with_each_compression() {
    let Some(kafka) = Kafka::given() else { return };
    for compression in Compression::ALL {
        let (client, topic) = Target::of_kafka(kafka.clone()).topic(1).await;
        let producer = Producer::builder(&client).compression(compression).build();
        let producer = producer.expect("the settings are fine");
        let sent = wordy_records();
        patient(send_all(&producer, &topic, &sent)).await;
        let count = RECORDS.to_string();
        let args = [
            "console-consumer",
            "--topic",
            &topic,
            "--from-beginning",
            "--max-messages",
            &count,
            "--timeout-ms",
            "20000",
            "--formatter-property",
            "print.key=true",
            "--formatter-property",
            "print.headers=true",
        ];
        let printed = kafka.tool(&args, b"");
        let expected: String = sent.iter().map(line).collect();
        assert_eq!(String::from_utf8_lossy(&printed), expected, "{compression}");
        check_dump(&kafka, &topic, compression);
    }
}

/// Every batch in the log is valid, compressed as asked, and numbered by an idempotent producer.
fn check_dump(kafka: &Kafka, topic: &str, compression: Compression) {
    let dump = kafka.tool(&["dump-log", &format!("{topic}-0")], b"");
    let dump = String::from_utf8_lossy(&dump);
    let batches: Vec<BTreeMap<&str, &str>> = dump
        .lines()
        .filter(|line| line.starts_with("baseOffset: "))
        .map(fields)
        .collect();
    assert!(!batches.is_empty(), "{dump}");
    let mut next = 0;
    for batch in batches {
        assert_eq!(batch["isvalid"], "true", "{batch:?}");
        assert_eq!(batch["compresscodec"], compression.name(), "{batch:?}");
        assert_eq!(batch["baseOffset"], next.to_string(), "{batch:?}");
        assert_eq!(batch["baseSequence"], next.to_string(), "{batch:?}");
        assert_ne!(batch["producerId"], "-1", "{batch:?}");
        let last: i64 = batch["lastOffset"].parse().expect("it is a number");
        next = last + 1;
    }
    assert_eq!(next, RECORDS);
}

/// `name: value name: value ..`
fn fields(line: &str) -> BTreeMap<&str, &str> {
    let mut words = line.split_whitespace();
    let pair = || Some((words.next()?.trim_end_matches(':'), words.next()?));
    std::iter::from_fn(pair).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ottla_reads_what_a_java_producer_wrote_with_each_compression() {
    let Some(kafka) = Kafka::given() else { return };
    for compression in Compression::ALL {
        let (client, topic) = Target::of_kafka(kafka.clone()).topic(1).await;
        let sent = wordy_records();
        let input: String = sent.iter().map(line).collect();
        let args = [
            "console-producer",
            "--topic",
            &topic,
            "--compression-codec",
            compression.name(),
            "--reader-property",
            "parse.key=true",
            "--reader-property",
            "parse.headers=true",
        ];
        let _ = kafka.tool(&args, input.as_bytes());
        let consumer = Consumer::builder(&client).assign(topic.as_str(), 0, Start::Earliest);
        let mut consumer = consumer.build().await.expect("the topic is there");
        let got = patient(read(&mut consumer, sent.len())).await;
        expect_records(&got, &sent);
    }
}
