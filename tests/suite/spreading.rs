//! Records that any partition will do for go where brokers keep up. Time is paused, and jumps.

use std::time::Duration;

use ottla::{
    Client, ErrorKind, Partitioning, Producer, ProducerBuilder, Record, protocol::messages::ApiKey,
};
use ottla_broker::{Action, Cluster, Control};
use tokio::time::sleep;

const TOPIC: &str = "t";
const PARTITIONS: usize = 3;

/// A cluster of three; each broker has one partition, of which there is no other replica.
async fn cluster() -> Cluster {
    let builder = Cluster::builder().brokers(3).in_memory();
    let builder = builder.set("default.replication.factor", "1");
    let cluster = builder.topic(TOPIC, PARTITIONS as i32).start().await;
    cluster.expect("it starts")
}

async fn client(cluster: &Cluster) -> Client {
    let cluster = cluster.clone();
    let builder = Client::builder(cluster.bootstrap()).seed(1);
    let builder = builder.connect_with(move |host: &str, port| cluster.connect(host, port));
    let client = builder.connect().await.expect("the cluster is reached");
    client.topic(TOPIC).await.expect("it is there");
    client
}

/// Lets each produce request to the first broker take so long.
fn slow_down(cluster: &Cluster, by: Duration) -> Control {
    cluster.control(move |request| match request.api_key {
        ApiKey::Produce if request.broker == 1 => Action::Delay(by),
        _ => Action::Pass,
    })
}

/// A producer that fills a batch with each record of [`spread`].
fn builder(client: &Client, settings: &[(&str, &str)]) -> ProducerBuilder {
    let mut builder = Producer::builder(client).linger(Duration::ZERO);
    for (name, value) in [("batch.size", "1000")].iter().chain(settings) {
        builder = builder.set(name, value);
    }
    builder
}

fn producer(client: &Client, settings: &[(&str, &str)]) -> Producer {
    let builder = builder(client, settings);
    builder.build().expect("the settings are fine")
}

/// Sends records with the same key, one every millisecond, and counts them by partition.
async fn spread(producer: &Producer, records: usize, key: Option<&[u8]>) -> [usize; PARTITIONS] {
    let value = [b'x'; 900];
    let mut deliveries = Vec::new();
    for _ in 0..records {
        let mut record = Record::to(TOPIC).value(&value);
        if let Some(key) = key {
            record = record.key(key);
        }
        deliveries.push(producer.send(record).await.expect("there is room"));
        sleep(Duration::from_millis(1)).await;
    }
    let mut counts = [0; PARTITIONS];
    for delivery in deliveries {
        let written = delivery.await.expect("it is written");
        counts[written.partition as usize] += 1;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn a_slow_broker_gets_fewer_records_unless_all_are_to_get_the_same() {
    let cluster = cluster().await;
    let client = client(&cluster).await;
    let all = spread(&producer(&client, &[]), 600, None).await;
    assert!(all.iter().all(|n| (150..250).contains(n)), "{all:?}");
    slow_down(&cluster, Duration::from_millis(100));
    let [slow, fast, other] = spread(&producer(&client, &[]), 2000, None).await;
    assert!(slow > 20, "{slow}: it still gets what it can bear");
    assert!(
        slow * 5 < fast && slow * 5 < other,
        "{slow}, {fast}, {other}"
    );
    let adaptive = "partitioner.adaptive.partitioning.enable";
    let uniform = producer(&client, &[(adaptive, "false")]);
    let all = spread(&uniform, 2000, None).await;
    assert!(all.iter().all(|n| (550..800).contains(n)), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_silent_too_long_gets_nothing_until_it_answers() {
    for (timeout, is_left_out) in [("0", false), ("200", true)] {
        let cluster = cluster().await;
        let client = client(&cluster).await;
        let stall = slow_down(&cluster, Duration::from_secs(10));
        let name = "partitioner.availability.timeout.ms";
        let producer = producer(&client, &[(name, timeout)]);
        let sending = producer.clone();
        let before = tokio::spawn(async move { spread(&sending, 500, None).await });
        sleep(Duration::from_millis(600)).await;
        let sending = producer.clone();
        let during = tokio::spawn(async move { spread(&sending, 500, None).await });
        sleep(Duration::from_millis(600)).await;
        stall.remove();
        let [before, ..] = before.await.expect("all is written in the end");
        let [during, ..] = during.await.expect("all is written in the end");
        assert!(before > 5, "{before} went there before that was known");
        assert_eq!(during == 0, is_left_out, "{during} within {timeout}");
        let [after, ..] = spread(&producer, 300, None).await;
        assert!(after > 60, "{after} since it answers again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_is_late_though_nothing_is_sent_meanwhile() {
    assert_eq!(to_a_late_broker(Partitioning::Murmur2Random).await, 0);
    // It still has its turn.
    assert_eq!(to_a_late_broker(Partitioning::RoundRobin).await, 10);
}

/// How many of thirty records go to a broker that became late before they were sent at once.
async fn to_a_late_broker(partitioning: Partitioning) -> usize {
    let cluster = cluster().await;
    let client = client(&cluster).await;
    let stall = slow_down(&cluster, Duration::from_secs(10));
    let builder = builder(&client, &[("partitioner.availability.timeout.ms", "200")]);
    let producer = builder.partitioner(partitioning).build();
    let producer = producer.expect("the settings are fine");
    let record = Record::to(TOPIC).value(&[b'x'; 900]);
    // One is on its way, and the others wait.
    for _ in 0..3 {
        let sent = producer.send(record.partition(0)).await;
        drop(sent.expect("there is room"));
    }
    sleep(Duration::from_millis(300)).await;
    let at_once = (0..30).map(|_| producer.try_send(record).expect("there is room"));
    let deliveries: Vec<_> = at_once.collect();
    stall.remove();
    let mut there = 0;
    for delivery in deliveries {
        let written = delivery.await.expect("all is written in the end");
        there += usize::from(written.partition == 0);
    }
    there
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_answers_is_not_late_however_much_waits_for_it() {
    let mut slow = Vec::new();
    for timeout in ["0", "300"] {
        let cluster = cluster().await;
        let client = client(&cluster).await;
        slow_down(&cluster, Duration::from_millis(100));
        let name = "partitioner.availability.timeout.ms";
        let producer = producer(&client, &[(name, timeout)]);
        slow.push(spread(&producer, 2000, None).await[0]);
    }
    assert!(slow[0] > 20, "{slow:?}");
    assert_eq!(slow[0], slow[1]);
}

#[tokio::test(start_paused = true)]
async fn a_partition_without_a_leader_is_left_out_until_it_has_one() {
    let cluster = cluster().await;
    cluster.stop_broker(2).await.expect("it runs");
    let client = client(&cluster).await;
    let sticky = producer(&client, &[]);
    let in_turn = builder(&client, &[]).partitioner(Partitioning::RoundRobin);
    let in_turn = in_turn.build().expect("the settings are fine");
    let [one, none, other] = spread(&sticky, 100, None).await;
    assert!(
        none == 0 && one > 25 && other > 25,
        "{one}, {none}, {other}"
    );
    assert_eq!(spread(&in_turn, 100, None).await, [50, 0, 50]);
    cluster.start_broker(2).await.expect("it was stopped");
    // Until the client looks again by itself.
    sleep(Duration::from_secs(400)).await;
    let [.., back, _] = spread(&sticky, 300, None).await;
    assert!(back > 60, "{back}");
    assert_eq!(spread(&in_turn, 300, None).await, [100; 3]);
}

#[tokio::test(start_paused = true)]
async fn turns_stay_even_when_records_wait_for_memory() {
    let cluster = cluster().await;
    let client = client(&cluster).await;
    slow_down(&cluster, Duration::from_millis(10));
    let builder = builder(&client, &[("buffer.memory", "32768")]);
    let in_turn = builder.partitioner(Partitioning::RoundRobin);
    let in_turn = in_turn.build().expect("the settings are fine");
    assert_eq!(spread(&in_turn, 300, None).await, [100; 3]);
}

/// What lingers is the one batch that is not full.
#[tokio::test(start_paused = true)]
async fn records_without_a_key_fill_their_batches() {
    let cluster = cluster().await;
    let client = client(&cluster).await;
    let builder = builder(&client, &[]).linger(Duration::from_secs(100));
    let producer = builder.build().expect("the settings are fine");
    for _ in 0..1000 {
        let record = Record::to(TOPIC).value(&[b'x'; 92]);
        drop(producer.send(record).await.expect("there is room"));
    }
    sleep(Duration::from_secs(1)).await;
    let batches = |n| cluster.batches(TOPIC, n as i32);
    let batches: Vec<_> = (0..PARTITIONS).flat_map(batches).collect();
    assert_eq!(batches.len(), 1000 / 9, "nine fit into each");
    assert!(batches.iter().all(|batch| batch.len() > 890));
}

#[tokio::test(start_paused = true)]
async fn keys_may_be_ignored() {
    let cluster = cluster().await;
    let client = client(&cluster).await;
    let key = Some(b"key".as_slice());
    let keyed = spread(&producer(&client, &[]), 60, key).await;
    assert!(keyed.contains(&60), "{keyed:?}");
    let ignoring = producer(&client, &[("partitioner.ignore.keys", "true")]);
    let ignored = spread(&ignoring, 60, key).await;
    assert!(ignored.iter().all(|n| *n > 5), "{ignored:?}");
}

#[tokio::test(start_paused = true)]
async fn settings_of_partitioning_that_contradict_each_other_are_told() {
    let client = client(&cluster().await).await;
    let ignoring = ("partitioner.ignore.keys", "true");
    let adaptive = "partitioner.adaptive.partitioning.enable";
    for settings in [
        [ignoring, ("partitioner", "consistent")],
        [
            (adaptive, "false"),
            ("partitioner.availability.timeout.ms", "1"),
        ],
    ] {
        let error = builder(&client, &settings)
            .build()
            .expect_err("it is too much");
        assert!(matches!(error.kind(), ErrorKind::Config(_)), "{error}");
        let (name, _) = settings[0];
        assert!(error.to_string().contains(name), "{error}");
    }
}
