//! `produce`, seen from the other end by `consume`.

use std::{collections::HashSet, sync::Mutex};

use ottla::protocol::{
    messages::ApiKey,
    records::{BatchHeader, Compression},
};
use ottla_broker::{Action, Cluster};
use tokio::{io::AsyncWriteExt, sync::oneshot};

use crate::support::{begin, cluster, command, finish, interrupt, on, ottla, signal};

#[tokio::test]
async fn keys_headers_nulls_and_bytes_come_out_as_they_went_in() {
    let cluster = cluster(&["t"]).await;
    let produced = on(
        &cluster,
        r"produce t -K \x00 -Z -H a=1=2 -H b= --null-header a",
        b"k\xff\x00v\xfe\x00w\n\x00only a value\nonly a key\x00\n",
    );
    assert_eq!(produced.await.printed(), "");
    let format = r"%o:%K:%k:%V:%v:%H%h{:%k=%V=%v}\x00";
    let consumed = on(&cluster, &format!("consume t -e -f {format}"), b"").await;
    let headers = b":3:a=3=1=2:b=0=:a=-1=\x00";
    let lines = [
        &b"0:2:k\xff:4:v\xfe\x00w"[..],
        b"1:-1::12:only a value",
        b"2:10:only a key:-1:",
    ];
    let expected: Vec<_> = lines
        .iter()
        .flat_map(|line| [line, &headers[..]].concat())
        .collect();
    assert_eq!(consumed.stdout, expected, "{consumed:?}");
}

#[tokio::test]
async fn an_empty_line_is_an_empty_value_unless_it_is_to_be_null() {
    let cluster = cluster(&["t"]).await;
    on(&cluster, "produce t", b"\na\n").await.printed();
    on(&cluster, "produce t -Z", b"\nb").await.printed();
    let consumed = on(&cluster, r"consume t -e -f %V,", b"").await;
    assert_eq!(consumed.printed(), "0,1,-1,1,");
}

#[tokio::test]
async fn every_compression_is_used_and_read_again() {
    let input: String = (0..500)
        .map(|n| format!("line {n} of many that are alike\n"))
        .collect();
    for (name, compression) in [
        ("none", Compression::None),
        ("gzip", Compression::Gzip),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
    ] {
        let cluster = cluster(&["t"]).await;
        on(&cluster, &format!("produce t -z {name}"), input.as_bytes())
            .await
            .printed();
        let batches = cluster.batches("t", 0);
        let used = batches.iter().map(|batch| {
            let header = BatchHeader::decode(batch).expect("it is a whole batch");
            header.compression().expect("it is known")
        });
        assert_eq!(used.collect::<Vec<_>>(), vec![compression; batches.len()]);
        assert_eq!(on(&cluster, "consume t -e", b"").await.printed(), input);
    }
}

#[tokio::test]
async fn many_lines_all_arrive_once() {
    let cluster = Cluster::builder().brokers(3).topic("t", 6).start().await;
    let cluster = cluster.expect("the cluster starts");
    let input: String = (0..50_000).map(|n| format!("{n}:{n}\n")).collect();
    on(&cluster, "produce t -K : -z lz4", input.as_bytes())
        .await
        .printed();
    let consumed = on(&cluster, r"consume t -e -f %k:%v\n", b"").await;
    let lines: HashSet<_> = consumed.printed().lines().collect();
    assert_eq!(consumed.printed().lines().count(), 50_000);
    assert_eq!(lines, input.lines().collect());
}

#[tokio::test]
async fn records_go_to_the_partition_that_is_asked_for() {
    let cluster = Cluster::builder()
        .topic("t", 3)
        .start()
        .await
        .expect("the cluster starts");
    on(&cluster, "produce t -p 2", b"a\nb\n").await.printed();
    let consumed = on(&cluster, r"consume t -e -f %p-%o\n", b"").await;
    assert_eq!(consumed.printed(), "2-0\n2-1\n");
    // The input stays open: the partition is looked for before a line is read.
    let mut producing = begin(&cluster, "produce t -p 3 --timeout 3s");
    let keyboard = producing.stdin.take();
    let ran = finish(producing, b"").await;
    let refused = "t-3: there is no such partition; the topic has 3";
    assert!(ran.message(1).contains(refused), "{ran:?}");
    drop(keyboard);
}

#[tokio::test]
async fn a_line_without_the_delimiter_ends_it_with_the_lines_number() {
    let cluster = cluster(&["t"]).await;
    let ran = on(&cluster, "produce t -K :", b"a:b\nc:d\nno key\ne:f\n").await;
    assert!(
        ran.message(1).contains("line 3: there is no key delimiter"),
        "{ran:?}"
    );
    assert_eq!(on(&cluster, "consume t -e", b"").await.printed(), "b\nd\n");
}

#[tokio::test]
async fn a_record_too_large_for_the_client_is_named_by_its_line() {
    let cluster = cluster(&["t"]).await;
    let input = ["small\n", &"x".repeat(2000), "\n"].concat();
    let ran = on(
        &cluster,
        "produce t -X max.request.size=1000",
        input.as_bytes(),
    )
    .await;
    assert!(
        ran.message(1)
            .contains("line 2: sending to t: the record takes"),
        "{ran:?}"
    );
    assert_eq!(on(&cluster, "consume t -e", b"").await.printed(), "small\n");
}

#[tokio::test]
async fn a_record_too_large_for_the_broker_is_named_by_its_line() {
    let cluster = Cluster::builder().topic_with("t", 1, &[("max.message.bytes", "500")]);
    let cluster = cluster.start().await.expect("the cluster starts");
    let ran = on(&cluster, "produce t", "x".repeat(2000).as_bytes()).await;
    assert!(ran.message(1).contains("line 1: "), "{ran:?}");
    assert!(ran.message(1).contains("MESSAGE_TOO_LARGE"), "{ran:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_writes_what_was_typed_and_says_that_it_was_cut_short() {
    let cluster = cluster(&["t"]).await;
    let mut producing = begin(&cluster, "produce t");
    let mut keyboard = producing.stdin.take().expect("it is a pipe");
    keyboard
        .write_all(b"typed\nnot finis")
        .await
        .expect("it reads");
    assert_eq!(
        on(&cluster, "consume t -n 1", b"").await.printed(),
        "typed\n"
    );
    interrupt(&producing).await;
    let ran = finish(producing, b"").await;
    let told = "ottla: SIGINT: 1 record written\n";
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(130), told));
    drop(keyboard);
}

/// A supervisor ends a process by SIGTERM, a closed terminal by SIGHUP.
#[cfg(unix)]
#[tokio::test]
async fn a_signal_writes_what_lingers_and_says_how_many_were_written() {
    for (name, code) in [("TERM", 143), ("HUP", 129)] {
        let cluster = cluster(&["t"]).await;
        // Full batches leave at once, the last one lingers.
        let (taken, taking) = oneshot::channel();
        let taken = Mutex::new(Some(taken));
        cluster.control(move |request| {
            if request.api_key == ApiKey::Produce {
                let taken = taken.lock().expect("no thread panics").take();
                taken.and_then(|taken| taken.send(()).ok());
            }
            Action::Pass
        });
        let produce = "produce t -X linger.ms=20000 -X batch.size=2000";
        let mut producing = begin(&cluster, produce);
        let mut keyboard = producing.stdin.take().expect("it is a pipe");
        let input = "a line of a few words\n".repeat(201);
        let typed = keyboard.write_all(input.as_bytes()).await;
        typed.expect("it reads");
        taking.await.expect("the first batch is sent");
        signal(&producing, &format!("-{name}")).await;
        let ran = finish(producing, b"").await;
        let consumed = on(&cluster, "consume t -e", b"").await;
        let written = consumed.printed().lines().count();
        let told = format!("ottla: SIG{name}: {written} records written\n");
        assert_eq!((ran.code, ran.stderr), (Some(code), told));
        assert!(written > 0);
        drop(keyboard);
    }
}

#[tokio::test]
async fn a_header_without_a_value_is_refused() {
    let ran = ottla("produce t -H a:b -b localhost:1").await;
    assert!(ran.message(2).contains("give NAME=VALUE"), "{ran:?}");
    let cluster = cluster(&["t"]).await;
    let produce = "produce t -H a=b --null-header n";
    on(&cluster, produce, b"x\n").await.printed();
    let ran = on(&cluster, "consume t -e -J", b"").await;
    let headers = r#""headers":[{"key":"a","value":"b"},{"key":"n","value":null}]"#;
    assert!(ran.printed().contains(headers), "{ran:?}");
}

#[tokio::test]
async fn what_consume_prints_as_json_is_what_produce_reads() {
    let cluster = cluster(&["a", "b"]).await;
    let lines = concat!(
        r#"{"ts":1234,"key":"k","value":"v","headers":[{"key":"h","value":"1"},{"key":"h","value":null}]}"#,
        "\n",
        r#"{"partition":0,"ts":5,"key_base64":"/w==","value":null,"headers":[]}"#,
        "\n",
        r#"{"ts":6,"key":null,"value_base64":"gIA=","headers":[{"key_base64":"/g==","value_base64":"/Q=="}]}"#,
        "\n",
        r#"{"ts":7,"value":"","headers":[]}"#,
        "\n",
    );
    on(&cluster, "produce a -J", lines.as_bytes())
        .await
        .printed();
    let first = on(&cluster, "consume a -e -J", b"").await;
    on(&cluster, "produce b -J", &first.stdout).await.printed();
    let second = on(&cluster, "consume b -e -J", b"").await;
    let renamed = first.printed().replace(r#""topic":"a""#, r#""topic":"b""#);
    assert_eq!(second.printed(), renamed);
    assert_eq!(renamed.lines().count(), 4);
    assert!(
        renamed.contains(r#""ts":1234,"key":"k","value":"v""#),
        "{renamed}"
    );
    assert!(
        renamed.contains(r#""key_base64":"/w==","value":null"#),
        "{renamed}"
    );
    let ran = on(
        &cluster,
        "produce a -J",
        b"{\"value\":\"x\"}\n{\"valeu\":1}\n",
    )
    .await;
    assert!(
        ran.message(1).contains("line 2: unknown field \"valeu\""),
        "{ran:?}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn input_that_does_not_block_is_waited_for() {
    use std::os::{fd::OwnedFd, unix::net::UnixStream};
    let cluster = cluster(&["t"]).await;
    let (input, keyboard) = UnixStream::pair().expect("there are sockets");
    input.set_nonblocking(true).expect("it can be set");
    keyboard.set_nonblocking(true).expect("it can be set");
    let mut command = command("produce t");
    command.args(["-b", &cluster.bootstrap()]);
    command.stdin(OwnedFd::from(input));
    let producing = command.spawn().expect("the command starts");
    drop(command);
    let mut keyboard = tokio::net::UnixStream::from_std(keyboard).expect("it is a socket");
    keyboard.write_all(b"first\n").await.expect("it reads");
    let first = on(&cluster, "consume t -n 1", b"").await;
    assert_eq!(first.printed(), "first\n");
    keyboard.write_all(b"second\n").await.expect("it reads");
    drop(keyboard);
    finish(producing, b"").await.printed();
    assert_eq!(
        on(&cluster, "consume t -e", b"").await.printed(),
        "first\nsecond\n"
    );
}

#[tokio::test]
async fn the_environment_says_where_the_brokers_are() {
    let cluster = cluster(&["t"]).await;
    let mut command = command("topic list");
    command.env("OTTLA_BOOTSTRAP", cluster.bootstrap());
    let ran = finish(command.spawn().expect("the command starts"), b"").await;
    assert_eq!(ran.printed(), "t\t1\t1\n");
}

/// A file for one test.
fn file(name: &str, content: &[u8]) -> String {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("it can be written");
    path.display().to_string()
}

#[tokio::test]
async fn a_key_and_a_timestamp_are_those_of_every_record() {
    let cluster = cluster(&["t"]).await;
    for time in ["1767225600000", "2026-01-01", "@2026-01-01T00:00:00Z"] {
        on(
            &cluster,
            &format!("produce t -k k -T {time} --acks 1"),
            b"a\n",
        )
        .await
        .printed();
    }
    let ran = on(&cluster, "consume t -e -f %k:%v:%d\\n", b"").await;
    assert_eq!(ran.printed(), "k:a:1767225600000\n".repeat(3));
}

#[tokio::test]
async fn records_end_where_the_delimiter_says() {
    let cluster = cluster(&["t"]).await;
    on(&cluster, r"produce t -D \0", b"a\nb\0c\0")
        .await
        .printed();
    on(&cluster, "produce t -D ;; -K :", b"k:d;;k:e;;")
        .await
        .printed();
    assert_eq!(
        on(&cluster, "consume t -e -f %v,", b"").await.printed(),
        "a\nb,c,d,e,"
    );
}

#[tokio::test]
async fn a_file_is_a_record_or_has_one_in_each_line() {
    let cluster = cluster(&["t"]).await;
    let (one, two) = (file("one.txt", b"1\n2\n"), file("two.txt", b"3"));
    on(&cluster, &format!("produce t {one} {two}"), b"")
        .await
        .printed();
    on(&cluster, &format!("produce t -l {one} {two}"), b"")
        .await
        .printed();
    assert_eq!(
        on(&cluster, "consume t -e -f %v;", b"").await.printed(),
        "1\n2\n;3;1;2;3;"
    );
    let ran = on(&cluster, &format!("produce t -l -K : {two}"), b"").await;
    assert!(
        ran.message(1)
            .contains("two.txt, line 1: there is no key delimiter"),
        "{ran:?}"
    );
    let ran = on(&cluster, "produce t no.such.file", b"").await;
    assert!(ran.message(1).contains("no.such.file"), "{ran:?}");
}

#[tokio::test]
async fn what_was_written_is_summed_up_where_it_is_asked_for() {
    let cluster = Cluster::builder()
        .topic("t", 2)
        .start()
        .await
        .expect("it starts");
    for partition in ["0", "1"] {
        let args = format!("produce t -v -p {partition}");
        let ran = on(&cluster, &args, b"a\nb\n").await;
        assert!(
            ran.stderr
                .contains("2 records written to 1 partition of t in "),
            "{ran:?}"
        );
    }
}
