//! A connection to the cluster that was asked for, and the settings of what is made from it.

use std::{env, path::PathBuf, sync::Arc, time::Duration};

use ottla::{
    Client, Consumer, ConsumerBuilder, ErrorCode, Producer, ProducerBuilder, Properties, Topic,
    protocol::messages::MetadataRequest,
};

use crate::{
    args::{Connection, Property},
    failure::Failure,
};

/// Where the brokers are, if the command line does not say.
const BOOTSTRAP: &str = "OTTLA_BOOTSTRAP";
const SERVERS: &str = "bootstrap.servers";

/// The file of settings, if the command line names none.
const CONFIG: &str = "OTTLA_CONFIG";

/// A connected client, and the settings of what is made from it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) timeout: Duration,
    /// The settings that `-X` gives.
    given: Properties,
    properties: Properties,
}

impl Session {
    /// Connects to the cluster of the command line, the environment, or the file of settings.
    pub(crate) async fn open(connection: &Connection) -> Result<Self, Failure> {
        let given = connection.bootstrap.clone();
        let given = given.or_else(|| variable(BOOTSTRAP));
        Self::open_at(connection, given).await
    }

    /// Connects to this cluster, unless `-X` names another. All settings are checked before.
    pub(crate) async fn open_at(
        connection: &Connection,
        bootstrap: Option<String>,
    ) -> Result<Self, Failure> {
        let file = connection.config_file.clone();
        let file = file.or_else(|| variable(CONFIG).map(PathBuf::from));
        let file = file.map_or_else(|| Ok(Properties::default()), read)?;
        let properties = properties(file, connection, bootstrap);
        properties.check()?;
        if properties.get(SERVERS).is_none() {
            return Err(Failure::Usage(format!(
                "no broker to ask; give -b HOST:PORT, set {BOOTSTRAP}, or name {SERVERS} in a file \
                 for -F"
            )));
        }
        let client = Client::from_properties(&properties)?.connect().await?;
        Ok(Self {
            client,
            timeout: connection.timeout(),
            given: connection.properties.iter().map(pair).collect(),
            properties,
        })
    }

    pub(crate) fn producer(&self) -> Result<ProducerBuilder, Failure> {
        Ok(Producer::from_properties(&self.client, &self.properties)?)
    }

    pub(crate) fn consumer(&self) -> Result<ConsumerBuilder, Failure> {
        Ok(Consumer::from_properties(&self.client, &self.properties)?)
    }

    /// Looks a topic up. Where there is none, the error names the nearest topic that there is.
    pub(crate) async fn topic(&self, name: &str) -> Result<Arc<Topic>, Failure> {
        let error = match self.client.topic(name).await {
            Ok(topic) => return Ok(topic),
            Err(error) => error,
        };
        if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
            && let Some(near) = self.nearest_topic(name).await
        {
            return Err(Failure::Failed(format!("{error}; did you mean {near}?")));
        }
        Err(error.into())
    }

    /// The topic whose name is nearest, if a third of its letters at most differ: more is another word.
    async fn nearest_topic(&self, name: &str) -> Option<String> {
        let all = MetadataRequest {
            topics: None,
            ..MetadataRequest::default()
        };
        // Without the list of topics the user gets the error without a hint.
        let topics = self.client.request(all).await.ok()?.topics;
        let names = topics.into_iter().filter_map(|topic| topic.name);
        let near = names.map(|known| (strsim::osa_distance(name, &known), known));
        let (distance, known) = near.min()?;
        (distance * 3 <= known.chars().count()).then(|| known.to_string())
    }

    /// The value of a setting, whoever gave it.
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name)
    }

    /// Whether `-X` gives a setting, by whichever of its names.
    pub(crate) fn overrides(&self, name: &str) -> bool {
        self.given.get(name).is_some()
    }
}

/// A variable of the environment that says something.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

/// A file of settings. What is wrong in it is told with its name.
fn read(file: PathBuf) -> Result<Properties, Failure> {
    let wrong = |error: ottla::Error| Failure::Usage(format!("{}: {error}", file.display()));
    let properties = Properties::read(&file).map_err(wrong)?;
    properties.check().map_err(wrong)?;
    Ok(properties)
}

fn pair(property: &Property) -> (String, String) {
    (property.name.clone(), property.value.clone())
}

/// The settings of a command: its own, those of the file before them, then those of options, and
/// those of `-X` before all.
fn properties(file: Properties, connection: &Connection, bootstrap: Option<String>) -> Properties {
    let mut all = file;
    let timeouts = [
        "request.timeout.ms",
        "default.api.timeout.ms",
        "delivery.timeout.ms",
        "max.block.ms",
    ];
    let timeout = connection.timeout().as_millis().to_string();
    for name in timeouts {
        if connection.timeout.is_some() || all.get(name).is_none() {
            all = all.set(name, timeout.as_str());
        }
    }
    // A gap in what is read is for the user to hear of.
    if all.get("auto.offset.reset").is_none() {
        all = all.set("auto.offset.reset", "none");
    }
    if let Some(servers) = bootstrap {
        all = all.set(SERVERS, servers);
    }
    let given = connection.properties.iter().map(pair);
    given.fold(all, |all, (name, value)| all.set(name, value))
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
    fn the_command_line_counts_before_the_file_and_x_before_all() {
        let file = || {
            let pairs = [
                ("bootstrap.servers", "file:1"),
                ("request.timeout.ms", "9"),
                ("max.block.ms", "8"),
            ];
            Properties::from_iter(pairs)
        };
        let mut connection = Connection::default();
        let all = properties(file(), &connection, None);
        assert_eq!(all.get(SERVERS), Some("file:1"));
        assert_eq!(all.get("request.timeout.ms"), Some("9"));
        assert_eq!(all.get("delivery.timeout.ms"), Some("30000"));
        connection.timeout = Some(Duration::from_secs(5));
        connection.properties = vec![
            property("message.timeout.ms", "7"),
            property("metadata.broker.list", "x:1"),
        ];
        let all = properties(file(), &connection, Some("option:2".to_owned()));
        assert_eq!(all.get("delivery.timeout.ms"), Some("7"));
        assert_eq!(all.get("request.timeout.ms"), Some("5000"));
        assert_eq!(all.get("max.block.ms"), Some("5000"));
        assert_eq!(all.get(SERVERS), Some("x:1"));
    }
}
