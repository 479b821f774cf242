//! A connection's life, byte by byte.

use std::{
    io::IoSlice,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes};
use ottla_protocol::{frame, messages::ApiVersionsRequest};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(30);

fn outgoing<T>(token: T) -> Outgoing<T> {
    let frame = frame::request(&ApiVersionsRequest::default(), 0, None).expect("it fits");
    Outgoing {
        frame,
        api: "ApiVersions",
        timeout: TIMEOUT,
        answered: true,
        token,
    }
}

fn write_all<T>(c: &mut Connection<T>) -> Vec<u8> {
    let mut all = Vec::new();
    while c.wants_to_write() {
        let mut slices = [IoSlice::new(&[]); 4];
        let n = c.poll_transmit(&mut slices);
        let bytes = slices[..n]
            .iter()
            .map(|s| &s[..])
            .collect::<Vec<_>>()
            .concat();
        let n = bytes.len().div_ceil(2);
        all.extend_from_slice(&bytes[..n]);
        c.handle_written(n);
    }
    all
}

fn response(id: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_i32(4 + body.len() as i32);
    bytes.put_i32(id);
    bytes.put_slice(body);
    bytes
}

fn read<T>(c: &mut Connection<T>, bytes: &[u8]) -> Result<Vec<(T, Bytes)>, Fault> {
    let mut got = Vec::new();
    for chunk in bytes.chunks(3) {
        c.read_buffer().extend_from_slice(chunk);
        while let Some(answer) = c.poll_response()? {
            got.push(answer);
        }
    }
    Ok(got)
}

#[test]
fn requests_are_numbered_and_written_in_order() {
    let now = Instant::now();
    let mut c = Connection::default();
    c.handle_request(now, outgoing('a'));
    c.handle_request(now, outgoing('b'));
    let frame = |id: u8| [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, id, 0xff, 0xff];
    assert_eq!(write_all(&mut c), [frame(0), frame(1)].concat());
}

#[test]
fn answers_come_back_in_order_however_the_bytes_arrive() {
    let now = Instant::now();
    let mut c = Connection::default();
    c.handle_request(now, outgoing('a'));
    c.handle_request(now, outgoing('b'));
    let large = vec![7; 300_000];
    let bytes = [response(0, b"x"), response(1, &large)].concat();
    let got = read(&mut c, &bytes).expect("both are in order");
    assert_eq!(got[0], ('a', Bytes::from_static(b"\0\0\0\0x")));
    assert_eq!((got[1].0, &got[1].1[4..]), ('b', &large[..]));
    assert_eq!(c.in_flight(), 0);
}

#[test]
fn an_answer_out_of_order_ends_the_connection() {
    let mut c = Connection::default();
    c.handle_request(Instant::now(), outgoing(()));
    let fault = read(&mut c, &response(1, b"")).expect_err("it is not the oldest");
    assert_eq!(
        fault,
        Fault::OutOfOrder {
            expected: 0,
            got: 1
        }
    );
    assert_eq!(c.into_unanswered().count(), 1);
}

#[test]
fn an_answer_to_nothing_ends_the_connection() {
    let mut c = Connection::<()>::default();
    assert_eq!(read(&mut c, &response(5, b"")), Err(Fault::Unsolicited(5)));
}

#[test]
fn a_length_reserves_nothing_until_its_bytes_arrive() {
    let mut c = Connection::<()>::default();
    read(&mut c, &(90u32 << 20).to_be_bytes()).expect("it may come");
    assert!(c.read_buffer().capacity() <= 128 * 1024);
    let mut arrived = 4;
    for _ in 0..40 {
        let buffer = c.read_buffer();
        let room = buffer.capacity() - buffer.len();
        assert!(
            room > 0 && buffer.capacity() <= 4 * arrived.max(64 * 1024),
            "{arrived}"
        );
        let n = room.min(100_000);
        buffer.extend_from_slice(&vec![0; n]);
        arrived += n;
        assert_eq!(c.poll_response(), Ok(None));
    }
}

#[test]
fn lengths_no_frame_has_are_named() {
    let fault =
        |bytes: &[u8]| read(&mut Connection::<()>::default(), bytes).expect_err("it is bad");
    let claimed = 0x7fff_ffff;
    assert_eq!(
        fault(&[0x7f, 0xff, 0xff, 0xff]),
        Fault::TooLarge {
            claimed,
            limit: MAX_FRAME
        }
    );
    assert_eq!(fault(&[0xff, 0xff, 0xff, 0xff]), Fault::NegativeLength(-1));
    assert_eq!(fault(b"HTTP/1.1 400 Bad Request"), Fault::Http);
    assert_eq!(fault(&[0x15, 3, 3, 0, 2, 2, 70]), Fault::Tls);
    assert_eq!(fault(&[0, 0, 0, 2, 0, 0]), Fault::ShortFrame(2));
}

#[test]
fn a_large_frame_in_small_pieces_takes_no_more_than_it_is_worth() {
    let mut c = Connection::default();
    c.handle_request(Instant::now(), outgoing(()));
    let frame = response(0, &vec![7; 3 << 20]);
    let mut arrived = 0;
    for piece in frame.chunks(1000) {
        let buffer = c.read_buffer();
        buffer.put_slice(piece);
        arrived += piece.len();
        let most = 2 * arrived + 128 * 1024;
        assert!(
            buffer.capacity() <= most,
            "{} for {arrived}",
            buffer.capacity()
        );
        assert_eq!(
            c.poll_response().expect("in order").is_some(),
            arrived == frame.len()
        );
    }
}

#[test]
fn the_first_overdue_request_is_the_deadline_whatever_its_place() {
    let now = Instant::now();
    let mut c = Connection::default();
    c.handle_request(now, outgoing('a'));
    c.handle_request(
        now,
        Outgoing {
            timeout: Duration::from_secs(5),
            ..outgoing('b')
        },
    );
    assert_eq!(c.poll_timeout(), Some(now + Duration::from_secs(5)));
    assert_eq!(c.handle_timeout(now + Duration::from_secs(4)), Ok(()));
    let after = Duration::from_secs(5);
    assert_eq!(
        c.handle_timeout(now + after),
        Err(Fault::TimedOut {
            api: "ApiVersions",
            after
        })
    );
}

#[test]
fn what_was_not_written_is_known_not_to_have_been() {
    let now = Instant::now();
    let mut c = Connection::default();
    c.handle_request(now, outgoing('a'));
    c.handle_request(now, outgoing('b'));
    c.handle_request(now, outgoing('c'));
    c.handle_written(14 + 1);
    let left: Vec<_> = c.into_unanswered().collect();
    let expected = [
        ('a', Written::Something),
        ('b', Written::Something),
        ('c', Written::Nothing),
    ];
    assert_eq!(left, expected);
}

#[test]
fn a_request_without_an_answer_is_done_when_it_is_written() {
    let mut c = Connection::default();
    c.handle_request(
        Instant::now(),
        Outgoing {
            answered: false,
            ..outgoing('a')
        },
    );
    c.handle_written(13);
    assert_eq!(c.poll_sent(), None);
    c.handle_written(1);
    assert_eq!(c.poll_sent(), Some('a'));
    assert_eq!(c.poll_timeout(), None);
}

/// Some servers answer a request with acks=0, which Kafka does not.
#[test]
fn an_answer_to_a_request_without_answer_is_passed_over() {
    let now = Instant::now();
    let mut c = Connection::default();
    for answered in [false, false, true, false] {
        c.handle_request(
            now,
            Outgoing {
                answered,
                ..outgoing(answered)
            },
        );
    }
    let bytes: Vec<_> = (0..4).flat_map(|id| response(id, b"")).collect();
    let got = read(&mut c, &bytes).expect("in order");
    assert_eq!(got.len(), 1);
    assert!(got[0].0);
    assert_eq!(read(&mut c, &response(1, b"")), Err(Fault::Unsolicited(1)));
    assert_eq!(read(&mut c, &response(4, b"")), Err(Fault::Unsolicited(4)));
}

/// They may come late, and all at once.
#[test]
fn thousands_of_answers_to_requests_without_answer_are_passed_over() {
    let now = Instant::now();
    let mut c = Connection::default();
    for _ in 0..5000 {
        c.handle_request(
            now,
            Outgoing {
                answered: false,
                ..outgoing(())
            },
        );
    }
    for id in 0..5000 {
        assert_eq!(read(&mut c, &response(id, b"")), Ok(Vec::new()));
    }
    assert_eq!(
        read(&mut c, &response(5000, b"")),
        Err(Fault::Unsolicited(5000))
    );
}

/// The broker reads nothing any more: a caller that waits until its bytes have left gets an error in time.
#[test]
fn a_request_without_an_answer_has_its_time_to_be_written() {
    let now = Instant::now();
    let mut c = Connection::default();
    for token in ['a', 'b', 'c'] {
        let answered = false;
        c.handle_request(
            now,
            Outgoing {
                answered,
                ..outgoing(token)
            },
        );
    }
    c.handle_written(14 + 1);
    assert_eq!(c.poll_sent(), Some('a'));
    assert_eq!(c.poll_timeout(), Some(now + TIMEOUT));
    let (api, after) = ("ApiVersions", TIMEOUT);
    let overdue = Err(Fault::TimedOut { api, after });
    assert_eq!(c.handle_timeout(now + TIMEOUT), overdue);
    let left: Vec<_> = c.into_unanswered().collect();
    assert_eq!(left, [('b', Written::Something), ('c', Written::Nothing)]);
}

#[test]
fn a_peer_that_leaves_says_when() {
    let mut c = Connection::<()>::default();
    assert_eq!(c.handle_closed(), Fault::ClosedAtOnce);
    read(&mut c, &[0, 0]).expect("no frame yet");
    assert_eq!(c.handle_closed(), Fault::ClosedMidFrame);
    let mut c = Connection::default();
    c.handle_request(Instant::now(), outgoing(()));
    read(&mut c, &response(0, b"")).expect("in order");
    assert_eq!(c.handle_closed(), Fault::Closed);
}

/// Runs of requests without an answer are kept apart by those that want one, up to a limit: the oldest run is
/// forgotten, and no other.
#[test]
fn so_many_runs_of_requests_without_an_answer_are_kept() {
    let now = Instant::now();
    let kept = i32::try_from(MAX_UNASKED).expect("it is small");
    let with_runs = |runs: i32| {
        let mut c = Connection::default();
        for id in 0..2 * runs {
            let (answered, request) = (id % 2 == 1, outgoing(()));
            c.handle_request(
                now,
                Outgoing {
                    answered,
                    ..request
                },
            );
        }
        c
    };
    let takes = |runs, id| read(&mut with_runs(runs), &response(id, b"")).is_ok();
    assert!(takes(kept, 0));
    assert!(!takes(kept + 1, 0), "it is forgotten");
    assert!(takes(kept + 1, 2), "the next one is not");
}

/// An answer that wanted none does not make the request behind it one without an answer.
#[test]
fn a_request_between_those_without_an_answer_keeps_its_own() {
    let now = Instant::now();
    let mut c = Connection::default();
    for answered in [false, true, false] {
        let request = outgoing(answered);
        c.handle_request(
            now,
            Outgoing {
                answered,
                ..request
            },
        );
    }
    assert_eq!(c.in_flight(), 1);
    let got = read(&mut c, &response(1, b"x")).expect("it was asked for");
    assert_eq!(got.len(), 1);
    assert_eq!(c.in_flight(), 0);
    let again = read(&mut c, &response(1, b"x"));
    assert_eq!(again, Err(Fault::Unsolicited(1)), "it was answered");
}
