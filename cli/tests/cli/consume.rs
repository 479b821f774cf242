//! `consume`: where it begins and ends, and what it prints.

use ottla::protocol::messages::ApiKey;
use ottla_broker::{Action, Cluster};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::support::{begin, cluster, finish, interrupt, on};

/// A cluster with the records 0 to 9 in one partition.
async fn ten_records() -> Cluster {
    let cluster = cluster(&["t"]).await;
    on(&cluster, "produce t", b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n")
        .await
        .printed();
    cluster
}

#[tokio::test]
async fn an_empty_topic_ends_at_once() {
    let cluster = Cluster::builder()
        .topic("t", 3)
        .start()
        .await
        .expect("the cluster starts");
    assert_eq!(on(&cluster, "consume t -e", b"").await.printed(), "");
}

#[tokio::test]
async fn reading_begins_where_it_is_told_to() {
    let cluster = ten_records().await;
    for (offset, expected) in [
        ("start", "0123456789"),
        ("end", ""),
        ("7", "789"),
        ("10", ""),
        ("-3", "789"),
        ("-100", "0123456789"),
        ("@0", "0123456789"),
        ("@9000000000000", ""),
    ] {
        let ran = on(&cluster, &format!("consume t -e -f %v -o {offset}"), b"").await;
        assert_eq!(ran.printed(), expected, "-o {offset}");
    }
}

#[tokio::test]
async fn an_offset_outside_the_log_is_an_error_unless_it_is_said_where_to_go() {
    let cluster = ten_records().await;
    let ran = on(&cluster, "consume t -e -o 11", b"").await;
    assert!(
        ran.message(1)
            .contains("offset 11 in t-0, whose log goes from 0 to 10"),
        "{ran:?}"
    );
    let reset = "consume t -e -f %v -o 11 -X auto.offset.reset=";
    assert_eq!(
        on(&cluster, &format!("{reset}earliest"), b"")
            .await
            .printed(),
        "0123456789"
    );
    assert_eq!(
        on(&cluster, &format!("{reset}latest"), b"").await.printed(),
        ""
    );
}

#[tokio::test]
async fn reading_ends_after_so_many_records() {
    let cluster = ten_records().await;
    assert_eq!(
        on(&cluster, "consume t -n 4 -f %v", b"").await.printed(),
        "0123"
    );
    assert_eq!(
        on(&cluster, "consume t -e -n 40 -f %v", b"")
            .await
            .printed(),
        "0123456789"
    );
}

#[tokio::test]
async fn a_range_ends_by_itself() {
    let cluster = ten_records().await;
    for (range, expected) in [
        ("2:5", "234"),
        (":end", "0123456789"),
        ("-4:end", "6789"),
        ("-4:-2", "67"),
        ("8:100 -e", "89"),
        ("3:3", ""),
        ("-1h:end", "0123456789"),
        ("-2h:-1h", ""),
        ("@2026-01-01:2026-01-02", ""),
        ("2:5 -n 2", "23"),
    ] {
        let ran = on(&cluster, &format!("consume t -f %v -o {range}"), b"").await;
        assert_eq!(ran.printed(), expected, "-o {range}");
    }
}

#[tokio::test]
async fn only_what_matches_is_printed_and_counted() {
    let cluster = cluster(&["t"]).await;
    let input = b"a:1\nb:2\nab:3\nc:4\n";
    on(&cluster, "produce t -K : -H h=x", input).await.printed();
    for (filters, expected) in [
        ("-G k:a", "13"),
        ("-G !k:a", "24"),
        ("-G k:b -G v:[3-9]", "3"),
        ("-G h:h=x -n 2", "12"),
        ("-G h:h=y", ""),
    ] {
        let ran = on(&cluster, &format!("consume t -e -f %s {filters}"), b"").await;
        assert_eq!(ran.printed(), expected, "{filters}");
    }
}

/// As a configuration file of librdkafka's may ask for.
#[tokio::test]
async fn the_end_of_a_partition_is_no_error_of_the_command() {
    let cluster = ten_records().await;
    let args = "consume t -f %v -o 8:11 -X enable.partition.eof=true";
    let mut consuming = begin(&cluster, args);
    let mut stdout = consuming.stdout.take().expect("it is a pipe");
    stdout.read_exact(&mut [0; 2]).await.expect("it prints");
    // It has come to the end by now.
    on(&cluster, "produce t", b"10\n").await.printed();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).await.expect("it is text");
    assert_eq!(rest, "10");
    let ran = finish(consuming, b"").await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let args = "consume t -e -f %v -X enable.partition.eof=true";
    assert_eq!(on(&cluster, args, b"").await.printed(), "012345678910");
}

#[tokio::test]
async fn the_end_is_where_it_was_at_the_beginning() {
    let cluster = ten_records().await;
    let (hooked, more) = (cluster.clone(), cluster.batches("t", 0).concat());
    cluster.control(move |request| {
        if request.api_key == ApiKey::Fetch {
            hooked
                .append("t", 0, more.clone().into())
                .expect("the topic is there");
        }
        Action::Pass
    });
    assert_eq!(
        on(&cluster, "consume t -e -f %v", b"").await.printed(),
        "0123456789"
    );
}

#[tokio::test]
async fn a_damaged_batch_is_an_error_after_what_came_before_it() {
    let cluster = ten_records().await;
    let mut damaged = cluster.batches("t", 0).concat();
    *damaged.last_mut().expect("it is not empty") ^= 1;
    cluster
        .append("t", 0, damaged.into())
        .expect("the topic is there");
    let ran = on(&cluster, "consume t -e -f %v", b"").await;
    assert_eq!(
        (ran.code, ran.stdout.as_slice()),
        (Some(1), &b"0123456789"[..]),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("t-0"), "{ran:?}");
}

#[tokio::test]
async fn the_end_is_not_waited_for_when_the_brokers_are_gone() {
    let cluster = ten_records().await;
    let hooked = cluster.clone();
    cluster.control(move |request| {
        if request.api_key == ApiKey::Fetch {
            let hooked = hooked.clone();
            tokio::spawn(async move { hooked.stop_broker(1).await });
        }
        match request.api_key {
            ApiKey::Fetch => Action::Drop,
            _ => Action::Pass,
        }
    });
    let ran = on(&cluster, "consume t -e --timeout 500ms", b"").await;
    assert!(ran.message(1).contains("t-0"), "{ran:?}");
}

#[tokio::test]
async fn only_the_partitions_that_are_asked_for_are_read() {
    let cluster = Cluster::builder()
        .topic("t", 3)
        .start()
        .await
        .expect("the cluster starts");
    for partition in ["0", "1", "2"] {
        on(
            &cluster,
            &format!("produce t -p {partition}"),
            partition.as_bytes(),
        )
        .await
        .printed();
    }
    let ran = on(&cluster, "consume t -e -p 2,0,2 -f %v", b"").await;
    assert!(["02", "20"].contains(&ran.printed()), "{ran:?}");
    let ran = on(&cluster, "consume t -e -p 1-2 -f %v", b"").await;
    assert!(["12", "21"].contains(&ran.printed()), "{ran:?}");
    for missing in ["3", "1-2000000000", "3-4"] {
        let ran = on(&cluster, &format!("consume t -e -p {missing}"), b"").await;
        assert!(ran.message(1).contains("t-3"), "{ran:?}");
    }
}

#[tokio::test]
async fn json_is_one_object_on_each_line() {
    let cluster = cluster(&["t"]).await;
    on(&cluster, "produce t -K : -H h=1 -Z", b"a:\"b\"\n:\n")
        .await
        .printed();
    let ran = on(&cluster, "consume t -e -J", b"").await;
    let lines: Vec<_> = ran.printed().lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    assert!(
        lines[0].starts_with(r#"{"topic":"t","partition":0,"offset":0,"tstype":"create","ts":"#)
    );
    let end = r#","key":"a","value":"\"b\"","headers":[{"key":"h","value":"1"}]}"#;
    assert!(lines[0].ends_with(end), "{}", lines[0]);
    assert!(
        lines[1].contains(r#""key":null,"value":null"#),
        "{}",
        lines[1]
    );
}

#[cfg(unix)]
#[tokio::test]
async fn records_are_shown_as_they_come_and_ctrl_c_ends_cleanly() {
    let cluster = ten_records().await;
    let mut consuming = begin(&cluster, "consume t -o end");
    let mut lines = BufReader::new(consuming.stdout.take().expect("it is a pipe")).lines();
    // Produced until the other one is there to see it.
    let shown = async { lines.next_line().await.expect("it can be read") };
    let produce = async {
        loop {
            on(&cluster, "produce t", b"new\n").await.printed();
        }
    };
    let shown = tokio::select! {
        shown = shown => shown,
        () = produce => None,
    };
    assert_eq!(shown.as_deref(), Some("new"));
    interrupt(&consuming).await;
    let ran = finish(consuming, b"").await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn a_reader_that_leaves_ends_it_quietly() {
    let cluster = cluster(&["t"]).await;
    // More than pipe and buffers hold.
    let input: String = (0..10_000).map(|n| format!("{n:0>100}\n")).collect();
    on(&cluster, "produce t", input.as_bytes()).await.printed();
    let mut consuming = begin(&cluster, "consume t");
    let mut stdout = consuming.stdout.take().expect("it is a pipe");
    stdout.read_exact(&mut [0; 100]).await.expect("it prints");
    drop(stdout);
    let ran = finish(consuming, b"").await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

/// As `ottla consume | head` is, once the topic has no more: no write tells that the reader is gone.
#[cfg(unix)]
#[tokio::test]
async fn a_reader_that_leaves_a_silent_topic_ends_it_quietly() {
    let cluster = ten_records().await;
    let mut consuming = begin(&cluster, "consume t -f %v");
    let mut stdout = consuming.stdout.take().expect("it is a pipe");
    stdout.read_exact(&mut [0; 10]).await.expect("it prints");
    drop(stdout);
    let ran = finish(consuming, b"").await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

/// The pipe is full and nobody reads it: the first Ctrl-C cannot end the write.
#[cfg(unix)]
#[tokio::test]
async fn a_second_ctrl_c_ends_a_command_that_is_stuck_in_a_write() {
    let cluster = cluster(&["t"]).await;
    let input: String = (0..10_000).map(|n| format!("{n:0>100}\n")).collect();
    on(&cluster, "produce t", input.as_bytes()).await.printed();
    let mut consuming = begin(&cluster, "consume t");
    let mut stdout = consuming.stdout.take().expect("it is a pipe");
    stdout.read_exact(&mut [0; 100]).await.expect("it prints");
    interrupt(&consuming).await;
    let ended = async {
        loop {
            if let Some(status) = consuming.try_wait().expect("it is ours") {
                return status;
            }
            interrupt(&consuming).await;
        }
    };
    let status = tokio::time::timeout(std::time::Duration::from_secs(60), ended).await;
    let code = status.expect("it ends").code();
    assert!(matches!(code, Some(0 | 130)), "{code:?}");
    drop(stdout);
}
