//! A connection to the cluster that was asked for, and the client properties on their way to where
//! they belong.

use std::{env, time::Duration};

use ottla::{
    Client, Consumer, ConsumerBuilder, ErrorKind, Producer, ProducerBuilder, protocol::ErrorCode,
};

use crate::{
    args::{Connection, Property},
    failure::Failure,
};

/// Where the brokers are, if the command line does not say.
const BOOTSTRAP: &str = "OTTLA_BOOTSTRAP";

/// A connected client, and the properties that are none of the client's own.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) client: Client,
    pub(crate) timeout: Duration,
    left: Vec<&'a Property>,
}

impl<'a> Session<'a> {
    /// Connects to the cluster of the command line or the environment.
    pub(crate) async fn open(connection: &'a Connection) -> Result<Self, Failure> {
        let given = connection.bootstrap.clone();
        let given = given.or_else(|| env::var(BOOTSTRAP).ok().filter(|text| !text.is_empty()));
        // Then the property of the same meaning must say.
        let named = connection
            .properties
            .iter()
            .any(|p| p.name == "bootstrap.servers");
        let bootstrap = given.or_else(|| named.then(String::new)).ok_or_else(|| {
            Failure::Usage(format!(
                "no broker to ask; give -b HOST:PORT or set {BOOTSTRAP}"
            ))
        })?;
        Self::open_at(connection, bootstrap).await
    }

    /// Connects to this cluster.
    pub(crate) async fn open_at(
        connection: &'a Connection,
        bootstrap: String,
    ) -> Result<Self, Failure> {
        let timeout = connection.timeout;
        let mut builder = Client::builder(bootstrap)
            .request_timeout(timeout)
            .api_timeout(timeout);
        let left = connection.properties.iter().collect();
        let left = offer(left, |name, value| builder.set(name, value))?;
        let client = builder.connect().await?;
        Ok(Self {
            client,
            timeout,
            left,
        })
    }

    /// For commands that need nothing but the client.
    pub(crate) fn client_only(self) -> Result<Client, Failure> {
        known(&self.left)?;
        Ok(self.client)
    }

    /// A producer with the properties that are left, which must all be a producer's.
    pub(crate) fn producer(&self) -> Result<ProducerBuilder, Failure> {
        let (builder, left) = self.producer_builder()?;
        known(&left)?;
        Ok(builder)
    }

    /// A consumer with the properties that are left, which must all be a consumer's.
    pub(crate) fn consumer(&self) -> Result<ConsumerBuilder, Failure> {
        let (builder, left) = consumer_builder(&self.client, self.left.clone())?;
        known(&left)?;
        Ok(builder)
    }

    /// A producer and consumers; a property must belong to one of the two kinds.
    pub(crate) fn both(&self) -> Result<(ProducerBuilder, [ConsumerBuilder; 2]), Failure> {
        let (producer, left) = self.producer_builder()?;
        let (first, unknown) = consumer_builder(&self.client, left.clone())?;
        known(&unknown)?;
        let (second, _) = consumer_builder(&self.client, left)?;
        Ok((producer, [first, second]))
    }

    fn producer_builder(&self) -> Result<(ProducerBuilder, Vec<&'a Property>), Failure> {
        let mut builder = Producer::builder(&self.client).delivery_timeout(self.timeout);
        builder.set("max.block.ms", &self.timeout.as_millis().to_string())?;
        let left = offer(self.left.clone(), |name, value| builder.set(name, value))?;
        Ok((builder, left))
    }

    /// What `-X` says about a property that is not the client's own; the last one counts.
    pub(crate) fn property(&self, name: &str) -> Option<&'a str> {
        let mut named = self.left.iter().rev().filter(|p| p.name == name);
        named.next().map(|p| p.value.as_str())
    }
}

fn consumer_builder<'a>(
    client: &Client,
    left: Vec<&'a Property>,
) -> Result<(ConsumerBuilder, Vec<&'a Property>), Failure> {
    let mut builder = Consumer::builder(client);
    // A gap in what is read is for the user to hear of.
    builder.set("auto.offset.reset", "none")?;
    let left = offer(left, |name, value| builder.set(name, value))?;
    Ok((builder, left))
}

/// Sets what is known, and returns what is not.
fn offer(
    properties: Vec<&Property>,
    mut set: impl FnMut(&str, &str) -> ottla::Result<()>,
) -> Result<Vec<&Property>, Failure> {
    let mut unknown = Vec::new();
    for property in properties {
        match set(&property.name, &property.value) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::UnknownSetting(_)) => {
                unknown.push(property);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(unknown)
}

/// A property that nobody took is one that this command does not have.
fn known(left: &[&Property]) -> Result<(), Failure> {
    left.first().map_or(Ok(()), |property| {
        let name = &property.name;
        let what = format!("-X {name}: this command has no such property, or not yet");
        Err(Failure::Usage(what))
    })
}

/// What a broker refused, with its own words where it has some.
pub(crate) fn refused(doing: &str, code: ErrorCode, message: Option<&str>) -> Failure {
    Failure::Failed(match message {
        Some(message) => format!("{doing}: {code} ({message})"),
        None => format!("{doing}: {code}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(name: &str, value: &str) -> Property {
        let (name, value) = (name.to_owned(), value.to_owned());
        Property { name, value }
    }

    #[test]
    fn properties_go_to_whom_they_belong() {
        let given = [
            property("client.id", "me"),
            property("acks", "1"),
            property("nonsense", "1"),
        ];
        let mut builder = Client::builder("localhost:9092");
        let left = offer(given.iter().collect(), |name, value| {
            builder.set(name, value)
        });
        let left = left.expect("the values are well-formed");
        assert_eq!(left, [&given[1], &given[2]]);
        let failure = known(&left[1..]).expect_err("nobody has it");
        assert!(matches!(failure, Failure::Usage(what) if what.contains("nonsense")));
    }

    #[test]
    fn a_malformed_value_is_an_error_of_usage() {
        let given = property("request.timeout.ms", "soon");
        let mut builder = Client::builder("localhost:9092");
        let failure = offer(vec![&given], |name, value| builder.set(name, value));
        let failure = failure.expect_err("it is no number");
        assert!(matches!(failure, Failure::Usage(what) if what.contains("request.timeout.ms")));
    }
}
