//! What is no broker, or no sane one: each a clear error that says what and where, in time.

use std::time::Duration;

use ottla::{Client, Error, ErrorKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};

/// Long enough for several attempts on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A port of its own, and its address.
async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    (listener, address)
}

/// Someone who accepts connections and answers each request with these bytes; the address.
async fn peer(answer: Vec<u8>) -> String {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(answer_each(socket, answer.clone()));
        }
    });
    address
}

async fn answer_each(mut socket: TcpStream, answer: Vec<u8>) {
    let mut request = [0; 4096];
    while socket.read(&mut request).await.is_ok_and(|n| n > 0) {
        if socket.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// Why a client does not connect to this address; it says so in time, and names the address.
async fn refusal(address: &str) -> Error {
    let started = Instant::now();
    let client = Client::builder(address)
        .api_timeout(TIMEOUT)
        .connect()
        .await;
    let error = client.expect_err("it is no broker");
    let limit = TIMEOUT + Duration::from_secs(5);
    assert!(started.elapsed() < limit, "it took {:?}", started.elapsed());
    assert!(error.to_string().contains(address), "{error}");
    error
}

/// A response: size, correlation id, and what is behind.
fn frame(size: i32, correlation_id: i32, rest: &[u8]) -> Vec<u8> {
    let mut frame = size.to_be_bytes().to_vec();
    frame.extend(correlation_id.to_be_bytes());
    frame.extend(rest);
    frame
}

#[tokio::test]
async fn a_port_without_a_listener_refuses() {
    let (listener, address) = listen().await;
    drop(listener);
    let error = refusal(&address).await.to_string();
    assert!(error.contains("cannot connect"), "{error}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    let error = refusal("no-such-host.invalid:9092").await.to_string();
    assert!(error.contains("cannot connect"), "{error}");
}

#[tokio::test]
async fn a_web_server_is_recognised() {
    let address = peer(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await;
    let error = refusal(&address).await.to_string();
    assert!(error.contains("HTTP"), "{error}");
}

#[tokio::test]
async fn a_tls_listener_is_recognised() {
    let address = peer(b"\x15\x03\x03\0\x02\x02\x46".to_vec()).await;
    let error = refusal(&address).await.to_string();
    assert!(error.contains("TLS"), "{error}");
}

#[tokio::test]
async fn a_port_that_never_answers_is_given_up_in_time() {
    let address = peer(Vec::new()).await;
    let error = refusal(&address).await;
    assert!(matches!(error.kind(), ErrorKind::Timeout { .. }));
}

#[tokio::test]
async fn a_port_that_closes_at_once_is_told_from_one_that_is_not_there() {
    let (listener, address) = listen().await;
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let error = refusal(&address).await.to_string();
    assert!(
        error.contains("closed the connection") || error.contains("reset"),
        "{error}"
    );
}

/// However the time runs out: what was wrong before is not forgotten for an attempt that still waits.
#[tokio::test]
async fn a_broker_that_closes_and_then_is_silent_is_said_to_have_closed() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        // One attempt takes three connections, as an old broker might close the first ones.
        for _ in 0..4 {
            drop(listener.accept().await);
        }
        let mut silent = Vec::new();
        while let Ok(connection) = listener.accept().await {
            silent.push(connection);
        }
    });
    let error = refusal(&address).await.to_string();
    assert!(
        error.contains("closed the connection") || error.contains("reset"),
        "{error}"
    );
    assert!(error.contains("no answer"), "{error}");
}

#[tokio::test]
async fn a_length_of_two_gibibytes_is_not_believed() {
    let address = peer(frame(i32::MAX, 0, b"")).await;
    let error = refusal(&address).await.to_string();
    assert!(error.contains("2147483647 bytes"), "{error}");
}

#[tokio::test]
async fn a_negative_length_is_not_believed() {
    let address = peer(frame(-5, 0, b"")).await;
    let error = refusal(&address).await.to_string();
    assert!(error.contains("-5 bytes"), "{error}");
}

#[tokio::test]
async fn a_count_that_no_frame_could_hold_is_an_error_and_no_allocation() {
    // No error, and two billion API keys of which none follows; read as every version.
    for count in [
        b"\0\0\x7f\xff\xff\xff".as_slice(),
        b"\0\0\xff\xff\xff\xff\x07",
    ] {
        let address = peer(frame(4 + count.len() as i32, 0, count)).await;
        let error = refusal(&address).await.to_string();
        assert!(error.contains("cannot be read"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_to_another_request_is_not_taken() {
    let address = peer(frame(10, 77, b"\0\0\0\0\0\0")).await;
    let error = refusal(&address).await.to_string();
    assert!(error.contains("77"), "{error}");
}

#[tokio::test]
async fn noise_is_an_error() {
    let byte = |i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8;
    let noise: Vec<u8> = (0..1000).map(byte).collect();
    let mut refusals = JoinSet::new();
    for skip in 0..20 {
        let noise = noise[skip * 40..].to_vec();
        refusals.spawn(async move { refusal(&peer(noise).await).await });
    }
    assert_eq!(refusals.join_all().await.len(), 20);
}
