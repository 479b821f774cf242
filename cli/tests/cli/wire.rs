//! `wire`: bytes made readable, and what is wrong with them.

use std::{fs, path::Path};

use ottla::protocol::{
    ErrorCode, frame,
    messages::{
        ApiVersionsRequest, ApiVersionsResponse, HeartbeatRequest, MetadataRequest,
        ProducePartition, ProduceRequest, ProduceTopic,
    },
    records::{BatchBuilder, NewRecord, ProducerStamp},
    wire::{Struct, Writer},
};
use ottla_broker::Cluster;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Ran, cluster, command, finish, on};

/// Where these tests keep files, and where they run the command.
const FOLDER: &str = env!("CARGO_TARGET_TMPDIR");

async fn wire(args: &str, input: &[u8]) -> Ran {
    let mut command = command(&format!("wire {args}"));
    command.current_dir(FOLDER);
    finish(command.spawn().expect("the command starts"), input).await
}

fn file(name: &str, bytes: &[u8]) {
    fs::write(Path::new(FOLDER).join(name), bytes).expect("files can be written");
}

impl Ran {
    /// What it printed and what it said, when something was wrong with the bytes.
    #[track_caller]
    fn faulty(&self) -> (&str, &str) {
        assert_eq!(self.code, Some(1), "{self:?}");
        let printed = std::str::from_utf8(&self.stdout).expect("it printed text");
        (printed, &self.stderr)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encoded(message: &impl Struct, version: i16, flexible: bool) -> Vec<u8> {
    let mut w = Writer::new(version, flexible);
    message.encode(&mut w);
    w.finish().expect("it can be written").concat()
}

/// A batch of one record, which is not compressed.
fn batch(value: &[u8]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Vec::new(), 1 << 20);
    let record = NewRecord {
        timestamp: 7,
        value: Some(value),
        ..NewRecord::default()
    };
    assert!(builder.append(&record), "it has room");
    let mut sealed = builder.seal();
    sealed.stamp(ProducerStamp::NONE);
    sealed.as_ref().to_vec()
}

#[tokio::test]
async fn the_apis_are_listed_with_their_versions() {
    let ran = wire("apis", b"").await;
    let printed = ran.printed();
    for line in ["0\tProduce\t3-13\t9+", "17\tSaslHandshake\t0-1\t-"] {
        assert!(printed.lines().any(|l| l == line), "{line}: {printed}");
    }
}

#[tokio::test]
async fn a_response_is_printed_field_by_field() {
    let digits = "00000000 02 00000001 0a6c6f63616c686f7374 00002384 00 00 0X0263 FFFFFFFF \
        02 0003 0x0274 00112233445566778899aabbccddeeff 00 01 80000000 00 00";
    let ran = wire(
        "decode --api Metadata --version 12 --response",
        digits.as_bytes(),
    )
    .await;
    let expected = r#"line 1: Metadata response, version 12, 60 bytes
  throttle_time_ms: 0
  brokers: 1 item
    [0]
      node_id: 1
      host: "localhost"
      port: 9092
      rack: null
  cluster_id: "c"
  controller_id: -1
  topics: 1 item
    [0]
      error_code: 3 UNKNOWN_TOPIC_OR_PARTITION
      name: "t"
      topic_id: ABEiM0RVZneImaq7zN3u_w
      is_internal: false
      partitions: []
      topic_authorized_operations: -2147483648
"#;
    assert_eq!(ran.printed(), expected);
}

fn produce() -> ProduceRequest {
    let partition = ProducePartition {
        index: 3,
        records: Some(batch(b"value").into()),
    };
    let topic = ProduceTopic {
        name: "orders".into(),
        partition_data: vec![partition],
        ..ProduceTopic::default()
    };
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![topic],
        ..ProduceRequest::default()
    }
}

#[tokio::test]
async fn records_are_named_and_can_be_looked_into() {
    let bytes = encoded(&produce(), 9, true);
    let ran = wire("decode --api 0 --version 9 --request --raw", &bytes).await;
    let printed = ran.printed();
    for line in ["  acks: -1", "      name: \"orders\"", "          index: 3"] {
        assert!(printed.lines().any(|l| l == line), "{line}: {printed}");
    }
    let records = batch(b"value");
    let expected = format!(
        "records: record batches, {} bytes {}..\n",
        records.len(),
        hex(&records[..32])
    );
    assert!(printed.contains(&expected), "{printed}");
    let ran = wire("batches --hex --records", hex(&records).as_bytes()).await;
    let expected = "  record at offset 0: timestamp 7, key null, value \"value\"\n";
    assert!(ran.printed().ends_with(expected), "{ran:?}");
}

#[tokio::test]
async fn each_line_is_a_message_and_says_what_is_wrong_with_it() {
    let good = encoded(&produce(), 9, true);
    let cut = &good[..12];
    let long = [&good[..], b"\x01\x02"].concat();
    let mut twice = good.clone();
    // The transactional id is null, which also fits into two bytes.
    twice.splice(0..1, [0x80, 0]);
    let input = [&good[..], cut, &long, &twice].map(hex).join("\n\n");
    let ran = wire(
        "decode --api produce --version 9 --request",
        format!("{input}\nxyz\n").as_bytes(),
    )
    .await;
    let (printed, said) = ran.faulty();
    let titles = printed.lines().filter(|line| line.starts_with("line "));
    assert_eq!(titles.count(), 4, "{printed}");
    assert!(
        printed.contains("      name: (it breaks off here)\n"),
        "{printed}"
    );
    let expected = [
        "ottla: line 3: at byte 9 in topic_data[0].name: a length of 6 is claimed \
         with 3 bytes left",
        &format!(
            "ottla: line 5: at byte {}: the message ends here, and this is left over: 2 bytes 0102",
            good.len()
        ),
        "ottla: line 7: at byte 0 in transactional_id: written again it goes on with \
         00ffff0000753002, where there is 8000ffff00007530",
        "ottla: line 8: 'x' is no hexadecimal digit",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

/// What went both ways over a connection to this cluster.
async fn capture(cluster: &Cluster) -> (Vec<u8>, Vec<u8>) {
    let metadata = MetadataRequest {
        topics: None,
        ..MetadataRequest::default()
    };
    let frames = [
        frame::request(&ApiVersionsRequest::default(), 3, Some("wire\n")),
        frame::request(&metadata, 12, None),
        frame::request(&metadata, 1, Some("")),
    ];
    let mut stream = TcpStream::connect(cluster.bootstrap())
        .await
        .expect("it listens");
    let (mut requests, mut responses) = (Vec::new(), Vec::new());
    for (frame, id) in frames.into_iter().zip(100..) {
        let mut frame = frame.expect("it can be written");
        frame.set_correlation_id(id);
        requests.extend_from_slice(&frame.concat());
    }
    stream.write_all(&requests).await.expect("it is read");
    for _ in 0..3 {
        let size = stream.read_i32().await.expect("there is an answer");
        let mut frame = vec![0; size.try_into().expect("it has a size")];
        stream.read_exact(&mut frame).await.expect("it is whole");
        responses.extend_from_slice(&size.to_be_bytes());
        responses.extend_from_slice(&frame);
    }
    (requests, responses)
}

#[tokio::test]
async fn both_directions_of_a_connection_are_printed() {
    let (requests, responses) = capture(&cluster(&["t"]).await).await;
    let asked = wire("decode --frames --request", &requests).await;
    let titles: Vec<_> = asked
        .printed()
        .lines()
        .filter(|l| l.starts_with("frame"))
        .collect();
    let expected = [
        "frame at byte 0, 19 bytes: ApiVersions request, version 3, \
         correlation id 100, client id \"wire\\n\"",
        "frame at byte 23, 15 bytes: Metadata request, version 12, \
         correlation id 101, client id null",
        "frame at byte 42, 14 bytes: Metadata request, version 1, \
         correlation id 102, client id \"\"",
    ];
    assert_eq!(titles, expected);
    file("requests", &requests);
    file("responses.hex", hex(&responses).as_bytes());
    file("requests.hex", hex(&requests).as_bytes());
    let args = "decode --frames --response --requests";
    let answered = wire(&format!("{args} requests"), &responses).await;
    let titles: Vec<_> = answered
        .printed()
        .lines()
        .filter(|l| l.starts_with("frame"))
        .collect();
    for (title, what) in titles.iter().zip([
        "ApiVersions response, version 3, correlation id 100",
        "Metadata response, version 12, correlation id 101",
        "Metadata response, version 1, correlation id 102",
    ]) {
        assert!(title.ends_with(what), "{title}");
    }
    assert_eq!(
        answered.printed().matches("name: \"t\"\n").count(),
        2,
        "{answered:?}"
    );
    let spelled = wire(&format!("{args} requests.hex --hex responses.hex"), b"").await;
    assert_eq!(spelled.printed(), answered.printed());
}

#[tokio::test]
async fn a_stream_is_printed_up_to_where_it_breaks_off() {
    let (requests, responses) = capture(&cluster(&["t"]).await).await;
    let ran = wire("decode --frames --request", &requests[..requests.len() - 2]).await;
    let (printed, said) = ran.faulty();
    assert!(
        printed.ends_with("  topics: (it breaks off here)\n"),
        "{printed}"
    );
    let expected = "ottla: frame at byte 42: at byte 56 in topics: the frame ends too early\n\
        ottla: frame at byte 42: the stream ends 2 bytes too early\n";
    assert_eq!(said, expected);
    for (bytes, expected) in [
        (
            &b"\0\0"[..],
            "at byte 0: the stream ends in the size of a frame: 2 bytes 0000",
        ),
        (
            b"\xff\xff\xff\xfe",
            "at byte 0: a frame cannot have a size of -2",
        ),
        (
            b"\0\0\0\x0a\0\x63\0\0\0\0\0\x01\0\0",
            "there is no API 99 here",
        ),
        (
            b"\0\0\0\x0b\0\x03\0\x63\0\0\0\x01\0\0\0",
            "Metadata has versions 0-13 here, and not 99",
        ),
        (
            b"\0\0\0\x02\0\x03",
            "at byte 6 in the header: the frame ends too early",
        ),
    ] {
        let ran = wire("decode --frames --request", bytes).await;
        assert!(ran.faulty().1.contains(expected), "{ran:?}");
    }
    file("first", &requests[..23]);
    let ran = wire("decode --frames --response --requests first", &responses).await;
    let (printed, said) = ran.faulty();
    assert!(printed.contains("ApiVersions response"), "{printed}");
    assert!(said.contains("no request has correlation id 102"), "{said}");
}

#[tokio::test]
async fn a_version_that_the_broker_refuses_is_answered_in_version_0() {
    let mut request =
        frame::request(&ApiVersionsRequest::default(), 4, None).expect("it is spoken");
    request.set_correlation_id(5);
    let mut request = request.concat().to_vec();
    // From a client that is ahead of this one.
    request[7] = 9;
    file("newer", &request);
    let refusal = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        ..ApiVersionsResponse::default()
    };
    let response = frame::response::<ApiVersionsRequest>(&refusal, 0, 5)
        .expect("it is spoken")
        .concat();
    let ran = wire("decode --frames --response --requests newer", &response).await;
    assert!(
        ran.printed().contains("ApiVersions response, version 0"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn responses_may_all_be_of_one_kind() {
    let answer = |id| frame::response::<HeartbeatRequest>(&Default::default(), 4, id);
    let stream: Vec<_> = [1, 2]
        .into_iter()
        .flat_map(|id| answer(id).expect("it is spoken").concat())
        .collect();
    let ran = wire(
        "decode --frames --response --api Heartbeat --version 4",
        &stream,
    )
    .await;
    let expected = "frame at byte 0, 12 bytes: Heartbeat response, version 4, correlation id 1
  throttle_time_ms: 0
  error_code: 0 NONE
frame at byte 16, 12 bytes: Heartbeat response, version 4, correlation id 2
  throttle_time_ms: 0
  error_code: 0 NONE
";
    assert_eq!(ran.printed(), expected);
}

#[tokio::test]
async fn a_segment_is_printed_batch_by_batch() {
    let cluster = cluster(&["t"]).await;
    let alike = "y".repeat(100);
    let input = [b"k:a\x01\xff\nk:", alike.as_bytes()].concat();
    on(
        &cluster,
        "produce t -z lz4 -K : -H h=1 --null-header n",
        &input,
    )
    .await
    .printed();
    let long = "x".repeat(101);
    on(&cluster, "produce t", long.as_bytes()).await.printed();
    let segment = cluster.batches("t", 0).concat();
    file("00000000000000000000.log", &segment);
    let ran = wire("batches --records 00000000000000000000.log", b"").await;
    let printed = ran.printed();
    assert!(printed.starts_with("batch at byte 0, "), "{printed}");
    for line in [
        "  base_offset: 0",
        "  last_offset: 1",
        "  compression: lz4",
        "  timestamp_type: CreateTime",
        "  control: false",
        "  delete_horizon: none",
        "  count: 2",
    ] {
        assert!(printed.lines().any(|l| l == line), "{line}: {printed}");
    }
    assert_eq!(
        printed.matches(" (it holds)\n").count(),
        cluster.batches("t", 0).len()
    );
    let first = r#", key "k", value "a\x01\xff", headers "h"="1", "n"=null"#;
    assert!(printed.lines().any(|l| l.ends_with(first)), "{printed}");
    assert!(
        printed.contains(&format!("value \"{alike}\", headers")),
        "{printed}"
    );
    let cut = format!("value \"{}\".. (101 bytes)\n", "x".repeat(100));
    assert!(printed.ends_with(&cut), "{printed}");
    let ran = wire("batches --records --full", &segment).await;
    assert!(
        ran.printed().ends_with(&format!("value \"{long}\"\n")),
        "{ran:?}"
    );
    let ran = wire("batches", &[&segment[..], &[0; 4096]].concat()).await;
    let zeros = format!(
        "4096 bytes of zeros at byte {}, as preallocated\n",
        segment.len()
    );
    assert!(ran.printed().ends_with(&zeros), "{ran:?}");
}

#[tokio::test]
async fn damaged_batches_are_told_and_the_next_are_printed() {
    let size = batch(b"value").len();
    let three = batch(b"value").repeat(3);
    let damaged = |at: usize, byte: u8| {
        let mut bytes = three.clone();
        bytes[size + at] = byte;
        bytes
    };
    let batches = |printed: &str| printed.matches("batch at byte ").count();

    let ran = wire("batches --records", &damaged(size - 2, b'!')).await;
    let (printed, said) = ran.faulty();
    assert_eq!(batches(printed), 3, "{printed}");
    assert!(printed.contains("value \"valu!\""), "{printed}");
    let expected = format!("ottla: at byte {size}: record batch at offset 0: the checksum is ");
    assert!(
        said.starts_with(&expected) && said.lines().count() == 1,
        "{said}"
    );

    // The magic byte, and then the last byte of the length.
    let ran = wire("batches", &damaged(16, 9)).await;
    let (printed, said) = ran.faulty();
    assert_eq!(batches(printed), 2, "{printed}");
    assert!(said.ends_with("format version 9 is not known\n"), "{said}");
    let ran = wire("batches", &damaged(11, 60)).await;
    let (printed, said) = ran.faulty();
    assert_eq!(batches(printed), 2, "{printed}");
    assert!(
        said.ends_with("; where the next one begins cannot be known\n"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");

    let ran = wire("batches", &three[..2 * size + 61]).await;
    let (printed, said) = ran.faulty();
    assert_eq!(batches(printed), 3, "{printed}");
    let expected = format!(
        "at byte {}: the input ends after 61 bytes of a batch of {size}\n",
        2 * size
    );
    assert!(said.ends_with(&expected), "{said}");
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    for args in [
        "batches no/such.log",
        "decode --api 3 --version 1 --request no/such.log",
    ] {
        assert!(
            wire(args, b"").await.message(1).contains("no/such.log"),
            "{args}"
        );
    }
    let ran = wire("batches --hex", b"0").await;
    assert!(ran.message(1).contains("reading standard input"), "{ran:?}");
}

#[tokio::test]
async fn messages_of_old_logs_are_batches_of_their_own() {
    let body = [
        &[1, 0][..],            // magic and attributes
        &7i64.to_be_bytes(),    // timestamp
        &(-1i32).to_be_bytes(), // no key
        &5i32.to_be_bytes(),    // the value
        b"value",
    ]
    .concat();
    let mut crc = flate2::Crc::new();
    crc.update(&body);
    let message = [&crc.sum().to_be_bytes()[..], &body].concat();
    let size = i32::try_from(message.len()).expect("it is short");
    let entry = [&9i64.to_be_bytes()[..], &size.to_be_bytes(), &message].concat();
    let log = [&entry[..], &batch(b"new")].concat();
    let ran = wire("batches --records", &log).await;
    for line in [
        "  magic: 1",
        "  record at offset 9: timestamp 7, key null, value \"value\"",
        "  magic: 2",
        "  record at offset 0: timestamp 7, key null, value \"new\"",
    ] {
        assert!(ran.printed().lines().any(|l| l == line), "{line}: {ran:?}");
    }
}
