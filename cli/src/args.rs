//! What may be asked for: the commands and their options.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::{ArgAction, Args as Group, Parser, Subcommand, builder::NonEmptyStringValueParser};
use clap_complete::Shell;

use crate::{
    escape::{self, Delimiter},
    format::Format,
    grep::Grep,
    place::{self, Range},
    wire::args::WireCommand,
};

/// The longest time that fits Kafka's 32 bits of milliseconds.
const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

/// Talk to Apache Kafka: make topics, produce, consume, watch a demo, or look into its bytes.
///
/// Data goes to standard output, everything else to standard error. The exit code is 0 when all is
/// well, 1 when something failed, 2 when the command was wrong, and 128 and the number of
/// the signal that cut it short: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP. A second signal ends
/// it at once.
#[derive(Debug, Parser)]
#[command(name = "ottla", version)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) connection: Connection,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(Demo),
    /// Make, list and delete topics
    #[command(subcommand, alias = "topics")]
    Topic(TopicCommand),
    Produce(Produce),
    Consume(Consume),
    #[command(subcommand)]
    Wire(WireCommand),
    Completions(Completions),
    Man(Man),
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    Create(TopicCreate),
    #[command(alias = "ls")]
    List(TopicList),
    #[command(alias = "rm")]
    Delete(TopicDelete),
}

impl Command {
    /// What commands that talk to brokers have in common.
    pub(crate) const fn connection(&mut self) -> Option<&mut Connection> {
        Some(match self {
            Self::Demo(demo) => &mut demo.connection,
            Self::Topic(TopicCommand::Create(create)) => &mut create.connection,
            Self::Topic(TopicCommand::List(list)) => &mut list.connection,
            Self::Topic(TopicCommand::Delete(delete)) => &mut delete.connection,
            Self::Produce(produce) => &mut produce.connection,
            Self::Consume(consume) => &mut consume.connection,
            Self::Wire(_) | Self::Completions(_) | Self::Man(_) => return None,
        })
    }
}

impl Connection {
    /// How long a call may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }

    /// With the options that were given before the command. Those behind it count where both say
    /// something.
    pub(crate) fn or_before(self, before: Self) -> Self {
        let mut properties = before.properties;
        properties.extend(self.properties);
        Self {
            bootstrap: self.bootstrap.or(before.bootstrap),
            config_file: self.config_file.or(before.config_file),
            timeout: self.timeout.or(before.timeout),
            properties,
            verbose: self.verbose.saturating_add(before.verbose),
        }
    }

    /// Whether it says anything about a cluster.
    pub(crate) const fn is_given(&self) -> bool {
        self.bootstrap.is_some()
            || self.config_file.is_some()
            || self.timeout.is_some()
            || !self.properties.is_empty()
    }
}

/// How long a call may take, unless `--timeout` says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How to reach a cluster, the same for every command, before or behind it.
#[derive(Debug, Default, Group)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Brokers to ask first, at port 9092 unless it is given; all commands but demo also look into
    /// the environment variable OTTLA_BOOTSTRAP
    #[arg(short, long, value_name = "HOST:PORT,..", aliases = ["bootstrap-server", "bootstrap-servers", "brokers"])]
    pub(crate) bootstrap: Option<String>,

    /// A file of settings, in the syntax of Java where its name ends in .properties, of librdkafka
    /// otherwise; also the environment variable OTTLA_CONFIG. Options and -X override it
    #[arg(short = 'F', long, value_name = "FILE", aliases = ["command-config", "producer.config", "consumer.config"])]
    pub(crate) config_file: Option<PathBuf>,

    /// How long connecting, any one request, and the delivery of a record may take: 5 or 5s, 500ms,
    /// 2m. Default 30s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,

    /// A setting by its Kafka name, such as linger.ms=50, which overrides other options; may be
    /// repeated. `-X help` tells which there are; those of a producer or consumer change nothing where
    /// a command has none
    #[arg(short = 'X', value_name = "NAME=VALUE", value_parser = property, aliases = ["property", "command-property"])]
    pub(crate) properties: Vec<Property>,

    /// Say on standard error what the client does (INFO), twice for more (DEBUG), three times for all.
    /// The environment variable RUST_LOG, such as ottla=debug, decides instead where it is set
    #[arg(short, long, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Run a small pipeline from end to end and check what comes out
///
/// Without -b, three brokers are started inside this process, on free ports of 127.0.0.1. A bundled
/// file of orders is produced to a topic, consumed, enriched with names, categories and prices in
/// euro, produced to a second topic by customer, consumed again and checked: nothing lost, nothing
/// twice, every customer's orders in sequence, totals as computed from the file. The exit code is 0
/// only if all of that holds.
///
/// With -b the same happens on that cluster, in two topics that are made for it and deleted
/// afterwards. The environment variable OTTLA_BOOTSTRAP is not looked at here.
#[derive(Debug, Group)]
pub(crate) struct Demo {
    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Make topics
///
/// Prints each topic as `topic list` does: its name, how many partitions it has, and how many
/// replicas each.
#[derive(Debug, Group)]
pub(crate) struct TopicCreate {
    /// The topics
    #[arg(value_name = "NAME", required = true, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) names: Vec<String>,

    /// How many partitions; the broker decides if nothing is said
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) partitions: Option<i32>,

    /// How many replicas of each partition; the broker decides if nothing is said
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
    pub(crate) replication_factor: Option<i16>,

    /// A setting of the topic, such as cleanup.policy=compact; may be repeated
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = property)]
    pub(crate) config: Vec<Property>,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// List topics
///
/// One line for each, sorted: name, partitions and replication factor, separated by tabs.
#[derive(Debug, Group)]
pub(crate) struct TopicList {
    /// Also list topics that Kafka keeps for itself
    #[arg(short, long)]
    pub(crate) internal: bool,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Delete topics and their records
#[derive(Debug, Group)]
pub(crate) struct TopicDelete {
    /// The topics
    #[arg(value_name = "NAME", required = true, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) names: Vec<String>,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Write each line of standard input, or each file, as a record
///
/// Lines are bytes and end with a newline, which is not part of the record; an empty line is an
/// empty value. The command waits until every record is written. When one is not, it says so with
/// the number of its line, reads no further, waits for those under way, and exits with 1. On a
/// terminal, or with -v, it says at the end how many were written.
#[derive(Debug, Group)]
pub(crate) struct Produce {
    #[command(flatten)]
    pub(crate) topic: TopicArg,

    /// What separates the key from the value, at its first occurrence; \t and \xNN stand for bytes.
    /// A line without it is an error
    #[arg(short = 'K', long, value_name = "DELIM", value_parser = escape::delimiter)]
    pub(crate) key_delimiter: Option<Delimiter>,

    /// The key of every record
    #[arg(short, long, value_name = "KEY", conflicts_with = "key_delimiter")]
    pub(crate) key: Option<String>,

    /// The bytes that end each record, instead of a newline; \n, \0 and \xNN stand for bytes
    #[arg(short = 'D', long, value_name = "DELIM", value_parser = escape::delimiter)]
    pub(crate) delimiter: Option<Delimiter>,

    /// The timestamp of every record instead of now: milliseconds since 1970, a date or a time as for
    /// `consume -o`, or -1h for an hour ago
    #[arg(short = 'T', long, value_name = "TIME", value_parser = place::timestamp, allow_hyphen_values = true)]
    pub(crate) timestamp: Option<i64>,

    /// When a record counts as written: all in-sync replicas have it, 1 for the leader, or 0 for unasked
    #[arg(long, value_name = "ACKS", value_parser = ["all", "-1", "1", "0"], allow_hyphen_values = true)]
    pub(crate) acks: Option<String>,

    /// How batches are compressed
    #[arg(short = 'z', long, value_name = "NAME",
        value_parser = ["none", "gzip", "snappy", "lz4", "zstd"])]
    pub(crate) compression: Option<String>,

    /// The partition; the key decides if nothing is said, as in the Java client
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) partition: Option<i32>,

    /// A header of every record; may be repeated
    #[arg(short = 'H', long, value_name = "NAME=VALUE", value_parser = header)]
    pub(crate) header: Vec<HeaderArg>,

    /// A header of every record with a null value, behind those of -H; may be repeated
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) null_header: Vec<String>,

    /// Read each line as a JSON object, as `consume -J` prints it: key, value, headers, ts and
    /// partition, with bytes that are not UTF-8 in key_base64 and value_base64. The topic and offset
    /// in it are passed over, and -p decides where it is given
    #[arg(short = 'J', long, conflicts_with_all = ["key_delimiter", "null", "key", "delimiter", "timestamp"])]
    pub(crate) json: bool,

    /// Write an empty value as null, which compaction reads as a deletion, and an empty key as none
    #[arg(short = 'Z', long)]
    pub(crate) null: bool,

    /// Files instead of standard input: each is one record, or with -l or -J each of its lines
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,

    /// Read the files by lines
    #[arg(short, long, requires = "files")]
    pub(crate) lines: bool,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// Print the records of a topic
///
/// FORMAT is text with verbs, as franz-go has them: %t topic, %p partition, %o offset, %d timestamp
/// in milliseconds, %k key, %v value (or %s, as in kcat), %T %K %V (or %S) their lengths in bytes
/// (-1 is null), %H how many headers, %h{..} the braces' content once for each header, with %k %v
/// %K %V for that header's name and value, and %% for a percent sign. A null prints as nothing, and bytes that are not
/// UTF-8 as they are. \n \t \r \0 \\ and \xNN stand for bytes.
///
/// JSON has the fields topic, partition, offset, tstype (create or logappend), ts, key, value and
/// headers, a list of {"key","value"}. Bytes that are not UTF-8 come as key_base64 and value_base64
/// instead; null is null.
///
/// Partitions are those that the topic has when the command starts. No group is joined and no
/// offset is committed.
#[derive(Debug, Group)]
pub(crate) struct Consume {
    #[command(flatten)]
    pub(crate) topic: TopicArg,

    /// Where to begin: start, end, an offset, -N for the last N records of each partition, or a time:
    /// @2026-01-01, @2026-01-01T08:30:00Z (UTC unless it says otherwise), @ and milliseconds since 1970, or
    /// -1h for an hour ago (ms, s, m, h, d). FROM:TO ends before TO, which is the like: 10:20, -1h:end,
    /// @2026-01-01:2026-01-02, or :end for what there is now. An offset outside the log is an error, unless
    /// -X auto.offset.reset=earliest or latest says where to go instead
    #[arg(short, long, value_name = "PLACE", default_value = "start", value_parser = Range::parse,
        allow_hyphen_values = true)]
    pub(crate) offset: Range,

    #[arg(long, hide = true, conflicts_with = "offset")]
    pub(crate) from_beginning: bool,

    /// Only these partitions, such as 0,3-5
    #[arg(short, long, value_delimiter = ',', value_name = "N,..", value_parser = partitions,
        alias = "partition")]
    pub(crate) partitions: Vec<RangeInclusive<i32>>,

    /// Exit at the end of the partitions, as it is when the command starts
    #[arg(short, long)]
    pub(crate) exit: bool,

    /// Exit after so many records
    #[arg(short = 'n', long, value_name = "COUNT", short_alias = 'c', alias = "max-messages",
        value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// Only records that match a regular expression: k:RE in the key, v:RE in the value, h:NAME=RE in a
    /// header of this name. ! in front: only those that do not. May be repeated; all must hold. -n counts
    /// what is printed
    #[arg(short = 'G', long, value_name = "FILTER", value_parser = Grep::parse)]
    pub(crate) grep: Vec<Grep>,

    /// How a record is printed
    #[arg(short, long, default_value = "%v\\n", value_parser = Format::parse)]
    pub(crate) format: Format,

    /// Print a JSON object for each record, on a line of its own
    #[arg(short = 'J', long, conflicts_with = "format")]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

impl Consume {
    /// The part of each partition that the command reads.
    pub(crate) const fn range(&self) -> Range {
        if self.from_beginning {
            Range::ALL
        } else {
            self.offset
        }
    }
}

/// The topic, as an argument or, by the habit of other tools, behind `-t`.
#[derive(Debug, Group)]
pub(crate) struct TopicArg {
    /// The topic
    #[arg(value_name = "TOPIC", required_unless_present = "named",
        value_parser = NonEmptyStringValueParser::new())]
    argument: Option<String>,

    #[arg(short = 't', long = "topic", value_name = "TOPIC", hide = true, conflicts_with = "argument",
        value_parser = NonEmptyStringValueParser::new())]
    named: Option<String>,
}

impl TopicArg {
    pub(crate) fn name(&self) -> &str {
        let given = self.argument.as_deref().or(self.named.as_deref());
        given.expect("clap asks for one of them")
    }
}

/// Print what a shell needs to complete commands and options
///
/// For bash: source <(ottla completions bash). For zsh and fish, write it to a file in the folder that the
/// shell reads completions from.
#[derive(Debug, Group)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

/// Write a man page for each command into a folder
#[derive(Debug, Group)]
pub(crate) struct Man {
    /// The folder, which is made if it is not there
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// A header of every record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderArg {
    pub(crate) name: String,
    pub(crate) value: String,
}

fn property(text: &str) -> Result<Property, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(Property {
            name: name.to_owned(),
            value: value.to_owned(),
        }),
        _ => Err("give NAME=VALUE".to_owned()),
    }
}

fn header(text: &str) -> Result<HeaderArg, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(HeaderArg {
            name: name.to_owned(),
            value: value.to_owned(),
        }),
        _ => Err("give NAME=VALUE; for a null value use --null-header NAME".to_owned()),
    }
}

/// `5`, `5s`, `500ms`, `2m` or `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: Result<u64, _> = text[..text.len() - unit.len()].parse();
    let millis = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("give seconds, or a number with ms, s, m or h, such as 500ms".to_owned()),
    };
    let number = number.map_err(|e| format!("the number: {e}"))?;
    let time = Duration::from_millis(number.saturating_mul(millis));
    if time.is_zero() || time > LONGEST {
        return Err("must be more than nothing and at most 2147483647ms".to_owned());
    }
    Ok(time)
}

/// `N` or `N-M`.
fn partitions(text: &str) -> Result<RangeInclusive<i32>, String> {
    let number = |text: &str| text.parse().ok().filter(|n: &i32| *n >= 0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = number(first).zip(number(last));
    let range = range.filter(|(first, last)| first <= last);
    let range = range.map(|(first, last)| first..=last);
    range.ok_or_else(|| "give a partition, or a range such as 0-2".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Args::command().debug_assert();
    }

    #[test]
    fn times_are_seconds_unless_they_have_a_unit() {
        assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in [
            "",
            "s",
            "-1s",
            "1.5s",
            "0s",
            "5y",
            "99999999999999999999s",
            "50000m",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_property_has_a_name_and_a_value_that_may_hold_anything() {
        let property = property("a.b=c=d").expect("it is well-formed");
        assert_eq!(
            (property.name.as_str(), property.value.as_str()),
            ("a.b", "c=d")
        );
        assert!(super::property("a.b").is_err());
        assert!(super::property("=c").is_err());
    }

    #[test]
    fn a_header_without_an_equals_sign_is_refused() {
        assert_eq!(header("a=").map(|h| h.value), Ok(String::new()));
        assert!(header("a").is_err() && header("a:b").is_err());
        assert!(header("=b").is_err());
    }

    #[test]
    fn a_negative_offset_is_not_taken_for_an_option() {
        let args = Args::try_parse_from(["ottla", "consume", "t", "-o", "-5", "-p", "0,2"]);
        let Ok(Args {
            command: Command::Consume(consume),
            ..
        }) = args
        else {
            panic!("it is well-formed");
        };
        assert_eq!(Range::parse("-5"), Ok(consume.offset));
        assert_eq!(consume.partitions, [0..=0, 2..=2]);
    }

    #[test]
    fn options_behind_the_command_count_before_those_in_front_of_it() {
        let args = "ottla -b a -X x=1 -v --timeout 5 topic list -b b -X y=2 -v";
        let args = Args::try_parse_from(args.split(' ')).expect("it is well-formed");
        let mut command = args.command;
        let behind = command.connection().expect("it talks to brokers");
        let both = std::mem::take(behind).or_before(args.connection);
        assert_eq!(both.bootstrap.as_deref(), Some("b"));
        assert_eq!(both.timeout(), Duration::from_secs(5));
        assert_eq!(both.verbose, 2);
        let names: Vec<_> = both.properties.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["x", "y"]);
    }

    #[test]
    fn json_and_a_format_exclude_each_other() {
        let args = Args::try_parse_from(["ottla", "consume", "t", "-J", "-f", "%v"]);
        assert_eq!(
            args.expect_err("it is wrong").kind(),
            ErrorKind::ArgumentConflict
        );
    }
}
