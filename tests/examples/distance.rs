//! What batches in flight are worth: how fast one partition takes records in batches of 16 KiB from a
//! producer that is 10 ms away, with one batch in flight and with five.
//!
//! ```text
//! cargo run --release -p ottla-tests --example distance -- HOST:PORT [RECORDS]
//! ```

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use ottla::{Client, Producer, Record};

const ONE_WAY: Duration = Duration::from_millis(5);
const VALUE: [u8; 100] = [b'x'; 100];

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: distance HOST:PORT [RECORDS]";
    let bootstrap = args.first().ok_or(usage)?;
    let records: u32 = args.get(1).map_or(Ok(50_000), |n| n.parse())?;
    let far = |host: &str, port| {
        let through = distant(host, port);
        async move { tokio::net::TcpStream::from_std(through?) }
    };
    let builder = Client::builder(bootstrap.as_str()).connect_with(far);
    let client = builder.connect().await?;
    let topic = format!("distance-{}", std::process::id());
    ottla_tests::create(&client, &topic, 1, &[]).await;
    let one = rate(&client, &topic, records, "1").await?;
    let five = rate(&client, &topic, records, "5").await?;
    ottla_tests::delete(&client, &topic).await;
    println!("five in flight are {:.2} times as fast as one", five / one);
    Ok(())
}

/// Records per second.
async fn rate(client: &Client, topic: &str, records: u32, in_flight: &str) -> Outcome<f64> {
    let mut builder = Producer::builder(client);
    builder = builder.set("batch.size", "16384");
    builder = builder.set("max.in.flight.requests.per.connection", in_flight);
    let producer = builder.build()?;
    let record = Record::to(topic).value(&VALUE);
    // Not counted: connections, a producer id, and the first acknowledgement.
    producer.send(record).await?.await?;
    let start = Instant::now();
    for _ in 0..records {
        drop(producer.send(record).await?);
    }
    producer.flush().await?;
    let rate = f64::from(records) / start.elapsed().as_secs_f64();
    println!("{in_flight} in flight: {rate:.0} records/s");
    Ok(rate)
}

/// A connection to a server that is further away: what goes through it arrives later, however much is
/// on its way. Threads carry it, since they wake up much closer to the time than timers of a runtime.
fn distant(host: &str, port: u16) -> io::Result<TcpStream> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let far = TcpStream::connect(listener.local_addr()?)?;
    let (middle, _) = listener.accept()?;
    let near = TcpStream::connect((host, port))?;
    for stream in [&far, &middle, &near] {
        stream.set_nodelay(true)?;
    }
    carry(middle.try_clone()?, near.try_clone()?);
    carry(near, middle);
    far.set_nonblocking(true)?;
    Ok(far)
}

/// Carries bytes from one stream to the other until either ends.
fn carry(mut from: TcpStream, mut to: TcpStream) {
    let (depart, arrive) = mpsc::sync_channel::<(Instant, Vec<u8>)>(1024);
    thread::spawn(move || {
        loop {
            let mut piece = vec![0; 64 << 10];
            let read = from.read(&mut piece).unwrap_or(0);
            piece.truncate(read);
            if read == 0 || depart.send((Instant::now() + ONE_WAY, piece)).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (due, piece) in arrive {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        // Whoever reads there is to know, and whoever reads here too; it may have ended itself.
        let _: io::Result<()> = to.shutdown(Shutdown::Both);
    });
}
