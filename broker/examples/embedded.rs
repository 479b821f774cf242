//! Starts a cluster for other programs to try: `embedded [BROKERS [TOPIC:PARTITIONS ..]]`. Prints
//! the bootstrap servers, and runs until its standard input ends.

use std::error::Error;

use ottla_broker::Cluster;
use tokio::io::{AsyncReadExt, stdin};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let brokers = args.next().map_or(Ok(1), |n| n.parse())?;
    let mut builder = Cluster::builder().brokers(brokers);
    for topic in args {
        let (name, partitions) = topic.split_once(':').unwrap_or((&topic, "1"));
        builder = builder.topic(name, partitions.parse()?);
    }
    let cluster = builder.start().await?;
    println!("{}", cluster.bootstrap());
    stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}
