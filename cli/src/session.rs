//! A connection to the cluster that was asked for, and the settings of what is made from it.

use std::{env, time::Duration};

use ottla::{
    Client, Consumer, ConsumerBuilder, Producer, ProducerBuilder, Properties, Setting,
    protocol::ErrorCode,
};

use crate::{
    args::{Connection, Property},
    failure::Failure,
};

/// Where the brokers are, if the command line does not say.
const BOOTSTRAP: &str = "OTTLA_BOOTSTRAP";
const SERVERS: &str = "bootstrap.servers";

/// What a command has besides a client, and so whose settings `-X` may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Has {
    Nothing,
    Producer,
    Consumer,
    Both,
}

impl Has {
    fn takes(self, of: &str) -> bool {
        match of {
            "producer" => matches!(self, Self::Producer | Self::Both),
            "consumer" => matches!(self, Self::Consumer | Self::Both),
            _ => true,
        }
    }
}

/// A connected client, and the settings of what is made from it.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) client: Client,
    pub(crate) timeout: Duration,
    given: &'a [Property],
    properties: Properties,
}

impl<'a> Session<'a> {
    /// Connects to the cluster of the command line or the environment.
    pub(crate) async fn open(connection: &'a Connection, has: Has) -> Result<Self, Failure> {
        let given = connection.bootstrap.clone();
        let given = given.or_else(|| env::var(BOOTSTRAP).ok().filter(|text| !text.is_empty()));
        Self::open_at(connection, given, has).await
    }

    /// Connects to this cluster, unless `-X` names another. All settings are checked before.
    pub(crate) async fn open_at(
        connection: &'a Connection,
        bootstrap: Option<String>,
        has: Has,
    ) -> Result<Self, Failure> {
        let given = &connection.properties;
        let properties = properties(connection.timeout, bootstrap, given);
        properties.check()?;
        refuse_others(given, has)?;
        if properties.get(SERVERS).is_none() {
            return Err(Failure::Usage(format!(
                "no broker to ask; give -b HOST:PORT or set {BOOTSTRAP}"
            )));
        }
        let client = Client::from_properties(&properties)?.connect().await?;
        Ok(Self {
            client,
            timeout: connection.timeout,
            given,
            properties,
        })
    }

    pub(crate) fn producer(&self) -> Result<ProducerBuilder, Failure> {
        Ok(Producer::from_properties(&self.client, &self.properties)?)
    }

    pub(crate) fn consumer(&self) -> Result<ConsumerBuilder, Failure> {
        Ok(Consumer::from_properties(&self.client, &self.properties)?)
    }

    /// What `-X` says about a setting; the last one counts.
    pub(crate) fn property(&self, name: &str) -> Option<&'a str> {
        let mut named = self.given.iter().rev().filter(|p| p.name == name);
        named.next().map(|p| p.value.as_str())
    }
}

/// The settings of a command: its own, and those of `-X` instead of them.
fn properties(timeout: Duration, bootstrap: Option<String>, given: &[Property]) -> Properties {
    let timeout = timeout.as_millis().to_string();
    let timeouts = [
        "request.timeout.ms",
        "default.api.timeout.ms",
        "delivery.timeout.ms",
        "max.block.ms",
    ];
    let own = timeouts.map(|name| (name.to_owned(), timeout.clone()));
    // A gap in what is read is for the user to hear of.
    let reset = ("auto.offset.reset".to_owned(), "none".to_owned());
    let bootstrap = bootstrap.map(|servers| (SERVERS.to_owned(), servers));
    let given = given.iter().map(|p| (p.name.clone(), p.value.clone()));
    let own = own.into_iter().chain([reset]).chain(bootstrap);
    own.chain(given).collect()
}

/// A setting of something that the command does not have would change nothing.
fn refuse_others(given: &[Property], has: Has) -> Result<(), Failure> {
    let other = |p: &&Property| {
        let named = |s: &&Setting| s.name == p.name || s.aliases.contains(&p.name.as_str());
        let owner = ottla::settings().find(named);
        owner.is_some_and(|setting| !has.takes(setting.of))
    };
    match given.iter().find(other) {
        None => Ok(()),
        Some(property) => {
            let name = &property.name;
            let what = format!("-X {name}: this command has no use for this setting");
            Err(Failure::Usage(what))
        }
    }
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
    fn settings_of_what_a_command_does_not_have_are_refused() {
        let given = [property("client.id", "me"), property("acks", "1")];
        assert_eq!(refuse_others(&given, Has::Producer), Ok(()));
        assert_eq!(refuse_others(&given, Has::Both), Ok(()));
        for has in [Has::Nothing, Has::Consumer] {
            let failure = refuse_others(&given, has).expect_err("it has no producer");
            assert!(matches!(failure, Failure::Usage(what) if what.contains("acks")));
        }
    }

    #[test]
    fn what_is_given_counts_before_the_commands_own() {
        let given = [
            property("message.timeout.ms", "7"),
            property("metadata.broker.list", "a:1"),
        ];
        let timeout = Duration::from_secs(30);
        let all = properties(timeout, Some("b:2".to_owned()), &given);
        assert_eq!(all.get("delivery.timeout.ms"), Some("7"));
        assert_eq!(all.get("request.timeout.ms"), Some("30000"));
        assert_eq!(all.get(SERVERS), Some("a:1"));
    }
}
