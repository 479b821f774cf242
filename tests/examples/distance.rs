//! What batches in flight are worth: how fast one partition takes records in batches of 16 KiB from a
//! producer that is 10 ms away, with one batch in flight and with five.
//!
//! ```text
//! cargo run --release -p ottla-tests --example distance -- HOST:PORT [RECORDS]
//! ```

use std::time::{Duration, Instant};

use ottla::{Client, Producer, Record};
use ottla_tests::distant;
use tokio::net::TcpStream;

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
        let near = TcpStream::connect((host.to_owned(), port));
        async move {
            let near = near.await?;
            near.set_nodelay(true)?;
            Ok(distant(near, ONE_WAY))
        }
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
    builder.set("batch.size", "16384")?;
    builder.set("max.in.flight.requests.per.connection", in_flight)?;
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
