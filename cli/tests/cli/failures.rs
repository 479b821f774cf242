//! What is wrong is said, with the right exit code and in time.

use ottla::{ErrorCode, protocol::messages::ApiKey};
use ottla_broker::Action;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::{cluster, command, finish, on, ottla};

#[tokio::test]
async fn wrong_usage_is_named_and_exits_with_2() {
    for (args, named) in [
        ("topic list", "OTTLA_BOOTSTRAP"),
        ("topic list -b :1", "bootstrap.servers"),
        ("topic list -b localhost:1 --timeout 5y", "ms, s, m or h"),
        ("topic list -b localhost:1 -X client.id", "NAME=VALUE"),
        ("topic create t -p 0 -b localhost:1", "--partitions"),
        ("consume t -b localhost:1 -f %q", "%q"),
        ("consume t -b localhost:1 -o soon", "start, end, N"),
        ("consume t -b localhost:1 -o 9:1", "FROM:TO"),
        ("consume t -b localhost:1 -p 2-1", "0-2"),
        ("consume t -b localhost:1 -G v:(", "unclosed"),
        ("consume t -b localhost:1 -n 0", "--count"),
        ("produce t -b localhost:1 -z brotli", "zstd"),
        (r"produce t -b localhost:1 -K \q", r"\q"),
        ("wire decode --api Nope --version 1 --request", "wire apis"),
        ("wire decode --api Fetch --version 3 --request", "4-18"),
        ("wire decode --api Fetch --version 4", "--request"),
        ("wire decode --request", "--api"),
        ("wire decode --frames --response", "--requests"),
        (
            "wire decode --frames --request --api 1 --version 4",
            "leave out",
        ),
        ("wire batches --full", "--records"),
        ("-b localhost:1 wire apis", "talks to no cluster"),
        ("topic list -F no.such.file", "no.such.file"),
        ("nonsense", "nonsense"),
    ] {
        let ran = ottla(args).await;
        assert!(ran.message(2).contains(named), "{args}: {ran:?}");
    }
}

#[tokio::test]
async fn properties_that_nobody_has_are_named_and_exit_with_2() {
    let cluster = cluster(&["t"]).await;
    for args in [
        "topic list -X no.such=1",
        "produce t -X no.such=1",
        "consume t -X auto.offset.reset=nowhere",
        "produce t -X acks=2",
    ] {
        let ran = on(&cluster, args, b"").await;
        let name = args
            .split(['=', ' '])
            .nth_back(1)
            .expect("there is a property");
        assert!(ran.message(2).contains(name), "{args}: {ran:?}");
    }
}

#[tokio::test]
async fn help_and_version_are_data() {
    assert!(ottla("--version").await.printed().starts_with("ottla "));
    assert!(
        ottla("consume --help")
            .await
            .printed()
            .contains("-o, --offset")
    );
}

#[tokio::test]
async fn a_topic_that_is_not_there_is_named() {
    let cluster = cluster(&["t"]).await;
    for args in ["produce nowhere", "consume nowhere -e"] {
        let ran = on(&cluster, args, b"a\n").await;
        let expected = "looking for topic nowhere: UNKNOWN_TOPIC_OR_PARTITION";
        assert!(ran.message(1).contains(expected), "{args}: {ran:?}");
    }
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there are ports");
    let address = listener.local_addr().expect("it has one").to_string();
    drop(listener);
    every_command_names(&address, "cannot connect").await;
}

#[tokio::test]
async fn a_port_that_says_nothing_is_named() {
    let address = serve(|stream| async move {
        let _open: TcpStream = stream;
        std::future::pending().await
    })
    .await;
    every_command_names(&address, "no answer").await;
}

#[tokio::test]
async fn a_port_that_speaks_something_else_is_named() {
    let address = serve(|mut stream| async move {
        let mut request = [0; 1];
        if stream.read_exact(&mut request).await.is_ok() {
            let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
            // The other end may be gone by now.
            let _: std::io::Result<()> = stream.write_all(answer).await;
        }
    })
    .await;
    every_command_names(&address, "answers in HTTP").await;
}

/// All commands say where they failed, and what was the matter.
async fn every_command_names(address: &str, what: &str) {
    for args in [
        "topic list",
        "topic create t",
        "topic delete t",
        "produce t",
        "consume t",
        "demo",
    ] {
        let ran = ottla(&format!("{args} -b {address} --timeout 400ms")).await;
        assert_eq!(ran.code, Some(1), "{args}: {ran:?}");
        assert!(ran.stderr.starts_with("ottla: "), "{args}: {ran:?}");
        for named in [address, what] {
            assert!(ran.stderr.contains(named), "{args}: {ran:?}");
        }
    }
}

/// A port where every connection is served like this.
async fn serve<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there are ports");
    let address = listener.local_addr().expect("it has one").to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// A setting that is misspelt is told before anything connects, with the nearest name.
#[tokio::test]
async fn a_misspelt_setting_is_named_though_no_broker_answers() {
    // Nothing answers there, so that connecting would take all of the time.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = silent.local_addr().expect("it is bound");
    for command in ["produce t", "consume t", "topic list"] {
        let ran = ottla(&format!(
            "{command} -b {address} -X linger.mss=1 --timeout 600s"
        ))
        .await;
        let told = ran.message(2);
        assert!(
            told.contains("no setting linger.mss; did you mean linger.ms?"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn the_settings_are_listed_with_their_defaults() {
    let ran = ottla("produce t -X help").await;
    let printed = ran.printed();
    assert!(printed.contains("linger.ms=5\n    producer: "), "{printed}");
    assert!(printed.contains("also queue.buffering.max.ms"), "{printed}");
}

/// What happens in the normal course, and what went wrong, as `-v` and `RUST_LOG` show it.
#[tokio::test]
async fn the_normal_course_is_logged() {
    let cluster = cluster(&["t"]).await;
    let log = async |args: &str, input: &[u8]| {
        let ran = on(&cluster, args, input).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stderr
    };
    let has = |log: &str, parts: &[&str]| {
        for part in parts {
            assert!(log.contains(part), "no {part} in {log}");
        }
    };
    let quiet = log("produce t", b"a\n").await;
    assert_eq!(quiet, "");
    let producing = log("produce t -v", b"a\n").await;
    has(
        &producing,
        &[
            "found the cluster",
            "cluster_id=",
            "connected",
            "broker=127.0.0.1",
            "got a producer id",
        ],
    );
    assert!(!producing.contains("DEBUG"), "{producing}");
    let consuming = log("consume t -e -o start -vv", b"").await;
    has(
        &consuming,
        &[
            "reading a partition",
            "refreshing metadata",
            "why=",
            "DEBUG",
            "INFO",
        ],
    );
    let mut command = command("produce t -vv");
    command
        .args(["-b", &cluster.bootstrap()])
        .env("RUST_LOG", "ottla::net=info");
    let ran = finish(command.spawn().expect("it starts"), b"a\n").await;
    has(&ran.stderr, &["connected"]);
    assert!(!ran.stderr.contains("got a producer id"), "{}", ran.stderr);
    cluster.control(|request| match request.api_key {
        ApiKey::Produce => Action::Fail(ErrorCode::INVALID_RECORD),
        _ => Action::Pass,
    });
    let ran = on(&cluster, "produce t -v", b"a\n").await;
    has(
        &ran.stderr,
        &["WARN", "records were not written", "topic=t"],
    );
}
