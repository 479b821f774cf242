//! Settings from a file or another list: names and values that belong to a client, a producer or a
//! consumer.

mod syntax;

use std::{collections::BTreeMap, path::Path};

use crate::{
    builder::ClientBuilder,
    client::Client,
    consumer::{Consumer, ConsumerBuilder},
    error::{Error, ErrorKind, Result},
    producer::{Producer, ProducerBuilder},
    settings::foreign::{self, Foreign},
    settings::{self, Setting},
};
pub use syntax::Syntax;

/// Names and values of settings, as a properties file has them. The last value of a setting counts,
/// whichever of its names it has.
///
/// Each of [`Client::from_properties`], [`Producer::from_properties`] and
/// [`Consumer::from_properties`] takes its share. All names are checked before, so that a misspelt one
/// is told before anything connects.
///
/// ```no_run
/// # async fn example() -> ottla::Result<()> {
/// use ottla::{Client, Producer, Properties};
/// let properties = Properties::read("client.properties")?;
/// let client = Client::from_properties(&properties)?.connect().await?;
/// let producer = Producer::from_properties(&client, &properties)?.build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    values: BTreeMap<String, String>,
}

impl Properties {
    /// Reads a file: in the syntax of Java where its name ends in `.properties`, of librdkafka otherwise.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the file cannot be read, or a line is malformed.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let doing = || format!("reading {}", path.display());
        let text =
            std::fs::read_to_string(path).map_err(|error| Error::argument(&error, doing()))?;
        let is_java = path.extension().is_some_and(|end| end == "properties");
        let syntax = if is_java {
            Syntax::Java
        } else {
            Syntax::Librdkafka
        };
        Self::parse(&text, syntax).map_err(|error| Error::new(error.kind().clone(), doing()))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when a line is malformed.
    ///
    /// ```
    /// use ottla::{Properties, Syntax};
    /// let text = "linger.ms = 20\n# a comment\nclient.id: me\n";
    /// let properties = Properties::parse(text, Syntax::Java)?;
    /// assert_eq!(properties.get("client.id"), Some("me"));
    /// # Ok::<(), ottla::Error>(())
    /// ```
    pub fn parse(text: &str, syntax: Syntax) -> Result<Self> {
        syntax.parse(text).map(Self::from_iter)
    }

    /// Sets one value, instead of the one before.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.values.insert(canonical(name.into()), value.into());
        self
    }

    /// The value of a name, as it was given.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let name = canonical(name.to_owned());
        self.values.get(&name).map(String::as_str)
    }

    /// The names and values that mean nothing here, such as `key.serializer`: they are no error, and
    /// change nothing.
    pub fn ignored(&self) -> impl Iterator<Item = (&str, &str)> {
        let ignored = |(name, value): &(&str, &str)| {
            !is_ours(name) && foreign::of(name, value) == Foreign::Meaningless
        };
        self.all().filter(ignored)
    }

    /// Checks every name and every value, also of those that another part takes.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownSetting`] names all that no part has, each with the nearest name that there
    /// is, and those that are not supported yet, with the reason; [`ErrorKind::Config`] names the first
    /// value that is malformed.
    pub fn check(&self) -> Result<()> {
        let wrong: Vec<_> = self.all().filter_map(complaint).collect();
        if !wrong.is_empty() {
            let kind = ErrorKind::UnknownSetting(wrong.join("; "));
            return Err(Error::new(kind, "settings"));
        }
        let mut client = settings::Settings::default();
        let mut producer = crate::producer::Settings::default();
        let mut consumer = crate::consumer::Settings::default();
        self.share(settings::Settings::TABLE, |n, v| client.set(n, v))?;
        self.share(crate::producer::Settings::TABLE, |n, v| producer.set(n, v))?;
        self.share(crate::consumer::Settings::TABLE, |n, v| consumer.set(n, v))
    }

    fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// Hands over what a table has.
    fn share(
        &self,
        table: &[Setting],
        mut set: impl FnMut(&str, &str) -> Result<()>,
    ) -> Result<()> {
        self.all()
            .filter(|(name, _)| has(table, name))
            .try_for_each(|(name, value)| set(name, value))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(all: I) -> Self {
        let all = all.into_iter();
        Self {
            values: all.map(|(n, v)| (canonical(n.into()), v.into())).collect(),
        }
    }
}

impl Client {
    /// A client with its share of the settings.
    ///
    /// # Errors
    /// As [`Properties::check`].
    pub fn from_properties(properties: &Properties) -> Result<ClientBuilder> {
        let mut builder = Self::builder("");
        properties.check()?;
        properties.share(settings::Settings::TABLE, |n, v| builder.settings.set(n, v))?;
        for (name, _) in properties.ignored() {
            tracing::info!(name, "a setting that means nothing here");
        }
        Ok(builder)
    }
}

impl Producer {
    /// A producer with its share of the settings.
    ///
    /// # Errors
    /// As [`Properties::check`].
    pub fn from_properties(client: &Client, properties: &Properties) -> Result<ProducerBuilder> {
        let mut builder = Self::builder(client);
        properties.check()?;
        let table = crate::producer::Settings::TABLE;
        properties.share(table, |n, v| builder.settings.set(n, v))?;
        Ok(builder)
    }
}

impl Consumer {
    /// A consumer with its share of the settings.
    ///
    /// # Errors
    /// As [`Properties::check`].
    pub fn from_properties(client: &Client, properties: &Properties) -> Result<ConsumerBuilder> {
        let mut builder = Self::builder(client);
        properties.check()?;
        let table = crate::consumer::Settings::TABLE;
        properties.share(table, |n, v| builder.settings.set(n, v))?;
        Ok(builder)
    }
}

/// Every setting there is: those of the client, the producer and the consumer.
///
/// ```
/// let linger = ottla::settings().find(|setting| setting.name == "linger.ms");
/// assert_eq!(linger.map(|setting| (setting.default)()), Some("5".to_owned()));
/// ```
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    let producer = crate::producer::Settings::TABLE.iter();
    let consumer = crate::consumer::Settings::TABLE.iter();
    settings::Settings::TABLE
        .iter()
        .chain(producer)
        .chain(consumer)
}

fn has(table: &[Setting], name: &str) -> bool {
    table.iter().any(|setting| setting.name == name)
}

fn is_ours(name: &str) -> bool {
    settings().any(|setting| setting.name == name)
}

/// The first name of a setting that is given by another one: of two names of one setting the last one
/// counts.
fn canonical(name: String) -> String {
    let known = settings().find(|setting| setting.aliases.contains(&name.as_str()));
    known.map_or(name, |setting| setting.name.to_owned())
}

/// What is wrong with a name, if anything is.
fn complaint((name, value): (&str, &str)) -> Option<String> {
    if is_ours(name) {
        return None;
    }
    match foreign::of(name, value) {
        Foreign::Meaningless => None,
        Foreign::Refused(why) => Some(format!("{name} is not supported: {why}")),
        Foreign::Unknown => {
            let hint = settings::hint(name, settings());
            Some(format!("there is no setting {name}{hint}"))
        }
    }
}
