//! Clients that send anything.

use ottla_broker::Cluster;
use ottla_protocol::{ErrorCode, frame, messages::MetadataRequest};

use crate::client::{Client, batch, cluster};

#[tokio::test]
async fn garbage_ends_the_connection_and_nothing_else() {
    let cluster = cluster(Cluster::builder().topic("t", 1)).await;
    let cases: &[(&[u8], &str)] = &[
        (
            b"GET / HTTP/1.1\r\n\r\n",
            "HTTP, which claims a frame of a gigabyte",
        ),
        (b"\xff\xff\xff\xff", "a negative size"),
        (b"\0\0\0\0", "no request at all"),
        (b"\0\0\0\x04\0\x03\0\0", "half a header"),
        (
            b"\0\0\0\x0a\0\x03\0\x09\0\0\0\0\x7f\xff",
            "a client id beyond the frame",
        ),
        (
            b"\0\0\0\x0f\0\x03\0\x09\0\0\0\0\xff\xff\0\xff\xff\xff\xff",
            "too many topics",
        ),
        (
            b"\0\0\0\x0e\0\x03\0\x01\0\0\0\0\xff\xff\x7f\xff\xff\xff",
            "far too many topics",
        ),
    ];
    for (bytes, what) in cases {
        let mut client = Client::of(&cluster, 1).await;
        client.send_raw(bytes).await;
        assert!(client.is_closed().await, "{what}");
    }
    let mut client = Client::of(&cluster, 1).await;
    assert_eq!(
        client.produce("t", batch(&["a"])).await.error_code,
        ErrorCode::NONE
    );
}

#[tokio::test]
async fn frames_have_a_limit() {
    let cluster = cluster(Cluster::builder().set("socket.request.max.bytes", "100")).await;
    let mut client = Client::of(&cluster, 1).await;
    client.send_raw(&[0, 0, 0, 101]).await;
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn requests_that_come_together_or_in_pieces_are_answered_in_order() {
    let cluster = cluster(Cluster::builder()).await;
    let mut client = Client::of(&cluster, 1).await;
    let mut bytes = Vec::new();
    for id in 0..50 {
        let mut frame = frame::request(&MetadataRequest::default(), 5, None).expect("it fits");
        frame.set_correlation_id(id);
        bytes.extend_from_slice(&frame.concat());
    }
    let (together, pieces) = bytes.split_at(bytes.len() / 2 + 3);
    client.send_raw(together).await;
    for piece in pieces.chunks(5) {
        client.send_raw(piece).await;
        tokio::task::yield_now().await;
    }
    for id in 0..50 {
        let answer = client.frame().await.expect("an answer");
        assert_eq!(frame::correlation_id(&answer), Some(id));
    }
}

/// Kafka reads no string of more than 32,767 bytes, in any version.
#[tokio::test]
async fn a_string_that_is_too_long_ends_the_connection() {
    for (len, closes) in [(32_767, false), (32_768, true), (40_000, true)] {
        let cluster = cluster(Cluster::builder()).await;
        let mut client = Client::of(&cluster, 1).await;
        // Metadata 9: key, version, id, no client id, no tags; one topic with a name.
        let mut body = b"\0\x03\0\x09\0\0\0\0\xff\xff\0\x02".to_vec();
        let mut claimed = len as u32 + 1;
        while claimed >= 0x80 {
            body.push(claimed as u8 | 0x80);
            claimed >>= 7;
        }
        body.push(claimed as u8);
        body.resize(body.len() + len, b'x');
        body.extend_from_slice(&[0, 0, 0, 0, 0]);
        let size = (body.len() as u32).to_be_bytes();
        client.send_raw(&[&size[..], &body].concat()).await;
        if closes {
            assert!(client.is_closed().await, "{len}");
        } else {
            assert!(client.frame().await.is_some(), "{len}");
        }
    }
}
