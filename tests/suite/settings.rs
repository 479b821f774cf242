//! Settings: files of other clients, names that are misspelt, and the tables of the docs.

use std::{collections::BTreeSet, time::Duration};

use ottla::{Client, Consumer, ErrorKind, Producer, Properties, Record, Setting, Start, Syntax};
use ottla_tests::{Target, create};

const JAVA: &str = include_str!("files/java.properties");
const LIBRDKAFKA: &str = include_str!("files/librdkafka.conf");

/// Client, producer and consumer from one file, and a record through them. Their `Debug` shows values
/// that they have taken.
async fn works(text: &str, syntax: Syntax, taken: &[&str]) {
    let target = Target::embedded(1).await;
    let text = text.replace("HOST", &target.bootstrap());
    let properties = Properties::parse(&text, syntax).expect("it is well-formed");
    let builder = Client::from_properties(&properties).expect("each name is known");
    let client = builder.connect().await.expect("it is there");
    create(&client, "t", 1, &[]).await;
    let producer = Producer::from_properties(&client, &properties).expect("each is known");
    let producer = producer.build().expect("they go together");
    let delivery = producer.send(Record::to("t").value("x")).await;
    delivery.expect("it is taken").await.expect("it is written");
    let consumer = Consumer::from_properties(&client, &properties).expect("each is known");
    let consumer = consumer.assign("t", 0, Start::Earliest).build();
    let mut consumer = consumer.await.expect("it builds");
    assert_eq!(consumer.recv().await.expect("it comes").offset, 0);
    let shown = format!("{client:?} {producer:?}");
    assert!(taken.iter().all(|value| shown.contains(value)), "{shown}");
}

#[tokio::test]
async fn a_file_of_the_java_client_configures_all_three() {
    let taken = ["from java", "20.001s", "104857601", "7ms", "16385", "Lz4"];
    works(JAVA, Syntax::Java, &taken).await;
}

#[tokio::test]
async fn a_file_of_librdkafka_configures_all_three() {
    let taken = [
        "from librdkafka",
        "20.003s",
        "300.003s",
        "8ms",
        "16386",
        "Zstd",
    ];
    works(LIBRDKAFKA, Syntax::Librdkafka, &taken).await;
}

/// A row that is in neither file has not been shown to work.
#[test]
fn both_files_have_every_setting() {
    for (text, syntax) in [(JAVA, Syntax::Java), (LIBRDKAFKA, Syntax::Librdkafka)] {
        let properties = Properties::parse(text, syntax).expect("it is well-formed");
        properties.check().expect("each name is known");
        for setting in ottla::settings() {
            let given = properties.get(setting.name);
            assert!(given.is_some(), "{} in {syntax:?}", setting.name);
        }
        assert!(properties.ignored().count() >= 3);
    }
}

/// Each name of both files, one letter wrong, is told with the right one. Nothing connects: there is
/// no client yet.
#[test]
fn each_misspelt_name_is_told_with_the_nearest() {
    for setting in ottla::settings() {
        let mut wrong = setting.name.to_owned();
        wrong.remove(setting.name.len() - 2);
        let properties = Properties::default().set(wrong.clone(), "1");
        let error = Client::from_properties(&properties).map(drop);
        let error = error.expect_err("there is no such setting");
        assert!(
            matches!(error.kind(), ErrorKind::UnknownSetting(_)),
            "{error}"
        );
        let told = error.to_string();
        let right = format!("no setting {wrong}; did you mean {}?", setting.name);
        assert!(told.contains(&right), "{told}");
    }
    let two = Properties::from_iter([("linger.mss", "1"), ("ack", "1"), ("zzz", "1")]);
    let told = two.check().expect_err("three are wrong").to_string();
    assert!(
        told.contains("linger.ms?") && told.contains("acks?"),
        "{told}"
    );
    assert!(told.ends_with("there is no setting zzz"), "{told}");
}

#[test]
fn what_would_change_the_meaning_is_refused_with_the_reason() {
    for (name, value, why) in [
        ("security.protocol", "SSL", "TLS"),
        ("sasl.mechanism", "PLAIN", "SASL"),
        ("group.id", "g", "groups"),
        ("transactional.id", "t", "transactions"),
        ("retries", "0", "delivery.timeout.ms"),
    ] {
        let properties = Properties::default().set(name, value);
        let error = properties.check().expect_err("it is not supported");
        let told = error.to_string();
        assert!(told.contains(name) && told.contains(why), "{told}");
    }
}

#[test]
fn values_out_of_range_name_the_range() {
    for (name, value, wanted) in [
        ("max.in.flight", "0", "at least 1"),
        ("linger.ms", "-1", "milliseconds, at most 2147483647"),
        ("compression.gzip.level", "10", "1 to 9"),
        ("isolation.level", "read_committed", "not supported yet"),
        ("acks", "2", "all, 1 or 0"),
    ] {
        let properties = Properties::default().set(name, value);
        let error = properties.check().expect_err("it is out of range");
        assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[tokio::test]
async fn the_first_wrong_setting_of_a_builder_is_told_at_its_end() {
    let client = Target::in_memory(1).await.client().await;
    let builder = Producer::builder(&client).set("linger.ms", "soon");
    let built = builder.set("no.such", "1").set("acks", "1").build();
    let told = built.map(drop).expect_err("two are wrong").to_string();
    assert!(told.contains("linger.ms"), "{told}");
    let builder = Consumer::builder(&client).set("fetch.min.byts", "1");
    let told = builder.build().await.map(drop).expect_err("it is misspelt");
    assert!(told.to_string().contains("fetch.min.bytes?"), "{told}");
    let builder = Client::builder("localhost:1").request_timeout(Duration::from_secs(1));
    let told = builder.set("acks", "1").connect().await.map(drop);
    assert!(
        told.expect_err("it is a producer's")
            .to_string()
            .contains("acks")
    );
}

/// The table of the docs, as the settings say.
fn table(of: &str) -> String {
    let row = |s: &Setting| {
        let names = std::iter::once(s.name).chain(s.aliases.iter().copied());
        let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
        let (default, doc) = ((s.default)(), s.doc.trim());
        format!("| {} | {default} | {doc} |\n", names.join(", "))
    };
    let rows: String = ottla::settings().filter(|s| s.of == of).map(row).collect();
    format!("| name | default | |\n|---|---|---|\n{rows}")
}

/// `SETTINGS=write cargo test -p ottla-tests settings` writes them again.
#[test]
fn the_docs_have_the_settings_that_there_are() {
    for of in ["client", "producer", "consumer"] {
        let path = format!(
            "{}/../client/src/settings/{of}.md",
            env!("CARGO_MANIFEST_DIR")
        );
        if std::env::var_os("SETTINGS").is_some() {
            std::fs::write(&path, table(of)).expect("it can be written");
        }
        let written = std::fs::read_to_string(&path).expect("it is there");
        assert_eq!(
            written,
            table(of),
            "SETTINGS=write cargo test -p ottla-tests settings"
        );
    }
}

#[test]
fn no_name_is_given_twice() {
    let mut names = BTreeSet::new();
    for setting in ottla::settings() {
        for name in std::iter::once(&setting.name).chain(setting.aliases) {
            assert!(names.insert(*name), "{name}");
        }
    }
}
