//! What hands type that know kcat, rpk and Kafka's own scripts.

use std::{fs, path::PathBuf};

use crate::support::{cluster, command, finish, on, ottla};

/// A file for one test.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("it can be written");
    path
}

#[tokio::test]
async fn options_of_other_tools_are_understood() {
    let cluster = cluster(&["t"]).await;
    on(&cluster, "produce -t t", b"0\n1\n2\n").await.printed();
    for (args, expected) in [
        ("consume -t t -e -f %v", "012"),
        (
            "consume --topic t --from-beginning --max-messages 2 -f %v",
            "01",
        ),
        ("consume t -o beginning -c 1 -f %v", "0"),
        ("consume t -o oldest -e -f %v", "012"),
        ("consume t -o newest -e -f %v", ""),
    ] {
        assert_eq!(on(&cluster, args, b"").await.printed(), expected, "{args}");
    }
    for option in ["--bootstrap-server", "--brokers", "--bootstrap"] {
        let args = format!("topic list {option} {}", cluster.bootstrap());
        assert_eq!(ottla(&args).await.printed(), "t\t1\t1\n", "{option}");
    }
}

#[tokio::test]
async fn help_has_a_command() {
    for args in ["help", "help consume", "help topic list", "consume --help"] {
        let ran = ottla(args).await;
        assert!(ran.printed().contains("Usage: ottla"), "{args}: {ran:?}");
    }
}

#[tokio::test]
async fn options_may_stand_before_the_command() {
    let cluster = cluster(&["t"]).await;
    let args = format!(
        "-b {} --timeout 5 -X client.id=me topic list",
        cluster.bootstrap()
    );
    assert_eq!(ottla(&args).await.printed(), "t\t1\t1\n");
}

#[tokio::test]
async fn one_set_of_settings_works_for_all_commands() {
    let cluster = cluster(&["t"]).await;
    let settings = "-X linger.ms=1 -X fetch.min.bytes=1 -X client.id=me";
    let produced = on(&cluster, &format!("produce t {settings}"), b"a\n").await;
    assert_eq!(produced.printed(), "");
    let consumed = on(&cluster, &format!("consume t -e {settings}"), b"").await;
    assert_eq!(consumed.printed(), "a\n");
    let listed = on(&cluster, &format!("topic list {settings}"), b"").await;
    assert_eq!(listed.printed(), "t\t1\t1\n");
}

#[tokio::test]
async fn settings_are_listed_without_a_topic_or_a_command() {
    for args in ["-X help", "produce -X list", "topic list -Xhelp"] {
        let ran = ottla(args).await;
        assert!(ran.printed().contains("linger.ms=5\n"), "{args}: {ran:?}");
    }
}

#[tokio::test]
async fn settings_come_from_a_file_that_is_named_or_in_the_environment() {
    let cluster = cluster(&["t"]).await;
    let text = format!("bootstrap.servers={}\nlinger.ms=1\n", cluster.bootstrap());
    let path = file("cluster.properties", &text);
    let args = format!("-F {} topic list", path.display());
    assert_eq!(ottla(&args).await.printed(), "t\t1\t1\n");
    let mut listing = command("topic list");
    listing.env("OTTLA_CONFIG", &path);
    let ran = finish(listing.spawn().expect("it starts"), b"").await;
    assert_eq!(ran.printed(), "t\t1\t1\n");
}

#[tokio::test]
async fn what_is_wrong_in_a_file_is_told_with_its_name() {
    for (name, text, named) in [
        (
            "misspelt.properties",
            "linger.msec=1\n",
            "did you mean linger.ms?",
        ),
        ("malformed.properties", "linger.ms=soon\n", "linger.ms"),
        ("later.properties", "group.id=g\n", "group.id"),
    ] {
        let path = file(name, text);
        let ran = ottla(&format!("-F {} -b localhost:1 topic list", path.display())).await;
        let message = ran.message(2);
        assert!(message.contains(named) && message.contains(name), "{ran:?}");
    }
}

#[tokio::test]
async fn a_misspelt_topic_is_told_with_the_nearest() {
    let cluster = cluster(&["orders", "customers"]).await;
    for args in ["produce oders", "consume ordres -e"] {
        let ran = on(&cluster, args, b"a\n").await;
        assert!(
            ran.message(1).contains("did you mean orders?"),
            "{args}: {ran:?}"
        );
    }
    let ran = on(&cluster, "consume payments -e", b"").await;
    assert!(!ran.message(1).contains("did you mean"), "{ran:?}");
}

#[tokio::test]
async fn shells_complete_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = ottla(&format!("completions {shell}")).await;
        let script = ran.printed();
        assert!(
            script.contains("consume") && script.contains("bootstrap"),
            "{shell}"
        );
    }
}

#[tokio::test]
async fn every_command_has_a_man_page() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("man/pages");
    ottla(&format!("man {}", folder.display())).await.printed();
    for page in ["ottla.1", "ottla-consume.1", "ottla-topic-create.1"] {
        let text = fs::read_to_string(folder.join(page)).expect("it was written");
        assert!(text.contains(".TH ottla"), "{page}");
    }
}
