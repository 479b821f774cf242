//! A broker's bytes, in pieces of any size, into a connection with requests in flight.
//!
//! The first byte says how many requests. Then comes piece after piece: a byte below 0xf0 is
//! followed by that many bytes; one from there on stands for 16 bytes to 512 KiB of zeros.

#![no_main]

use std::time::{Duration, Instant};

use bytes::BufMut;
use libfuzzer_sys::fuzz_target;
use ottla_core::connection::{Connection, Outgoing};
use ottla_fuzz::bounded;
use ottla_protocol::{frame, messages::ApiVersionsRequest};

/// The most of a broker's bytes that one run delivers.
const MOST: usize = 1 << 20;

fuzz_target!(|input: &[u8]| {
    let Some((&requests, pieces)) = input.split_first() else {
        return;
    };
    let pieces = pieces_of(pieces);
    let arrives: usize = pieces.iter().map(Vec::len).sum();
    bounded(256 * 1024 + 3 * arrives as u64, || {
        deliver(requests % 8, &pieces)
    });
});

fn pieces_of(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut pieces, mut size) = (Vec::new(), 0);
    while let Some((&kind, rest)) = bytes.split_first() {
        let (piece, rest) = match kind {
            0xf0.. => (vec![0; 16 << (kind & 0xf)], rest),
            n => {
                let (piece, rest) = rest.split_at(usize::from(n).min(rest.len()));
                (piece.to_vec(), rest)
            }
        };
        size += piece.len();
        if size > MOST {
            break;
        }
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

fn deliver(requests: u8, pieces: &[Vec<u8>]) {
    let now = Instant::now();
    let mut connection = Connection::default();
    for token in 0..requests {
        connection.handle_request(now, outgoing(token));
    }
    let (mut arrived, mut taken, mut next) = (0, 0, 0);
    for mut piece in pieces.iter().map(Vec::as_slice) {
        while !piece.is_empty() {
            let buffer = connection.read_buffer();
            let room = buffer.capacity() - buffer.len();
            assert!(
                room > 0,
                "a read into no room looks like the end of the stream"
            );
            let (now, later) = piece.split_at(room.min(piece.len()));
            buffer.put_slice(now);
            arrived += now.len();
            piece = later;
            loop {
                match connection.poll_response() {
                    Ok(Some((token, frame))) => {
                        assert_eq!(token, next, "answers come in order");
                        next += 1;
                        taken += frame.len() + 4;
                    }
                    Ok(None) => break,
                    Err(fault) => return drop(fault.to_string()),
                }
            }
            assert!(taken <= arrived, "no more is handed out than came");
        }
    }
    let _ = connection.handle_closed().to_string();
    assert_eq!(
        connection.into_unanswered().count(),
        usize::from(requests - next)
    );
}

fn outgoing(token: u8) -> Outgoing<u8> {
    Outgoing {
        frame: frame::request(&ApiVersionsRequest::default(), 0, None).expect("it fits"),
        api: "ApiVersions",
        timeout: Duration::from_secs(30),
        answered: true,
        token,
    }
}
