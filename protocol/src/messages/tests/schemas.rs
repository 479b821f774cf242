//! Every table, and every error code, against what Kafka's own classes say of them:
//! `testdata/schemas.txt`, which `tests/java/DumpSchemas.java` writes.

use std::{fmt::Display, ops::RangeInclusive};

use super::{Codec, Table};
use crate::{
    ErrorCode,
    wire::{Field, Reader, Type, Wire, Writer},
};

const SCHEMAS: &str = include_str!("../../../testdata/schemas.txt");

/// What brokers and controllers say only to each other.
#[rustfmt::skip]
const NOT_SPOKEN: &[&str] = &[
    "Vote", "BeginQuorumEpoch", "EndQuorumEpoch", "FetchSnapshot", "UpdateRaftVoter",
    "AlterPartition", "Envelope", "AllocateProducerIds", "AssignReplicasToDirs",
    "BrokerRegistration", "BrokerHeartbeat", "ControllerRegistration",
    "InitializeShareGroupState", "ReadShareGroupState", "WriteShareGroupState",
    "DeleteShareGroupState", "ReadShareGroupStateSummary",
];

/// Defaults of our own. None is of a tagged field, so no byte depends on them.
const DEFAULTS: &[(&str, &str)] = &[
    // Two responses say 0 where they know no leader; here it is -1 in all of them, which no broker
    // takes for its id, and one struct for all.
    ("responses.partitions.current_leader.leader_id", "-1"),
    ("responses.partitions.current_leader.leader_epoch", "-1"),
];

#[test]
fn every_table_says_what_kafka_says() {
    let mut found = Vec::new();
    let tables = Table::all();
    for kafka in KafkaApi::all() {
        let mut spoken = tables
            .iter()
            .filter(|table| table.name == kafka.name)
            .peekable();
        if spoken.peek().is_none() && !NOT_SPOKEN.contains(&kafka.name) {
            found.push(format!("{}: not spoken here", kafka.name));
        }
        for table in spoken {
            compare(&kafka, table, &mut found);
        }
    }
    for Table { name, .. } in tables {
        if !KafkaApi::all().any(|kafka| kafka.name == name) {
            found.push(format!("{name}: unknown to Kafka"));
        }
    }
    let found = found.join("\n");
    assert!(found.is_empty(), "the tables differ from Kafka:\n{found}");
}

#[test]
fn every_error_code_says_what_kafka_says() {
    let mut found = Vec::new();
    let mut known = Vec::new();
    for line in SCHEMAS.lines().filter(|line| line.starts_with("error ")) {
        let words: Vec<_> = line.split(' ').collect();
        let code = ErrorCode(words[1].parse().expect("a code"));
        let retriable = if code.is_retriable() {
            "retriable"
        } else {
            "final"
        };
        let ours = format!("{} {retriable}", code.name().unwrap_or("unknown"));
        let theirs = words[2..].join(" ");
        if ours != theirs {
            found.push(format!("error {}: {theirs} in Kafka, {ours} here", code.0));
        }
        known.push(code.0);
    }
    for code in (-10..1000).filter(|code| !known.contains(code)) {
        if let Some(name) = ErrorCode(code).name() {
            found.push(format!("error {code}: unknown to Kafka, {name} here"));
        }
    }
    let found = found.join("\n");
    assert!(found.is_empty(), "the codes differ from Kafka:\n{found}");
}

fn compare(kafka: &KafkaApi, table: &Table, found: &mut Vec<String>) {
    let at = format!("{} {}", table.name, table.what);
    let versions = Versions::from(&table.versions);
    let mut differ = |what, theirs: &dyn Display, ours: &dyn Display| {
        let (theirs, ours) = (theirs.to_string(), ours.to_string());
        if theirs != ours {
            found.push(format!("{at}: {what} is {theirs} in Kafka, {ours} here"));
        }
    };
    differ("the key", &kafka.key, &table.key);
    differ("the range of versions", &kafka.versions, &versions);
    differ(
        "the first flexible version",
        &kafka.flexible,
        &table.flexible,
    );
    let theirs = kafka.rows(table.what, versions);
    let ours = own_rows(table.codec, versions);
    found.extend(compare_rows(&at, &theirs, &ours));
    found.extend(compare_order(&at, &theirs, &ours, &table.versions));
}

fn compare_rows(at: &str, theirs: &[Row], ours: &[Row]) -> Vec<String> {
    let mut found = Vec::new();
    for row in theirs {
        let Row { path, versions, .. } = row;
        match ours.iter().find(|own| own.path == *path) {
            None => found.push(format!("{at} {path}: in {versions} in Kafka, missing here")),
            Some(own) => {
                for ((what, theirs), (_, ours)) in row.parts().into_iter().zip(own.parts()) {
                    if theirs != ours {
                        found.push(format!(
                            "{at} {path}: {what} {theirs} in Kafka, {ours} here"
                        ));
                    }
                }
            }
        }
    }
    for Row { path, versions, .. } in ours {
        if !theirs.iter().any(|row| row.path == *path) {
            found.push(format!("{at} {path}: unknown to Kafka, in {versions} here"));
        }
    }
    found
}

/// Tagged fields are ordered by their tags, so only the others have an order of their own.
fn compare_order(
    at: &str,
    theirs: &[Row],
    ours: &[Row],
    versions: &RangeInclusive<i16>,
) -> Option<String> {
    let paths = |rows: &[Row], v| -> Vec<String> {
        let rows = rows
            .iter()
            .filter(|row| row.tag.is_none() && row.versions.has(v));
        rows.map(|row| row.path.clone()).collect()
    };
    versions.clone().find_map(|v| {
        let (theirs, ours) = (paths(theirs, v), paths(ours, v));
        let first = theirs.iter().zip(&ours).find(|(a, b)| a != b);
        first.map(|(a, b)| format!("{at} version {v}: {a} comes next in Kafka, {b} here"))
    })
}

/// The first and the last of some versions.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Versions(i16, i16);

impl Versions {
    fn parse(text: &str) -> Self {
        let (first, last) = text.split_once('-').expect("two versions");
        Self(
            first.parse().expect("a version"),
            last.parse().expect("a version"),
        )
    }

    fn within(self, outer: Self) -> Option<Self> {
        let both = Self(self.0.max(outer.0), self.1.min(outer.1));
        (both.0 <= both.1).then_some(both)
    }

    fn has(self, version: i16) -> bool {
        self.0 <= version && version <= self.1
    }
}

impl From<&RangeInclusive<i16>> for Versions {
    fn from(range: &RangeInclusive<i16>) -> Self {
        Self(*range.start(), *range.end())
    }
}

impl Display for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// One field, as Kafka describes it or as a table does.
struct Row {
    path: String,
    ty: String,
    versions: Versions,
    null: Option<Versions>,
    tag: Option<u32>,
    must: bool,
    default: String,
}

impl Row {
    /// Everything that must agree, with words to say it in.
    fn parts(&self) -> [(&'static str, String); 6] {
        let or_no = |value: Option<String>| value.unwrap_or_else(|| "no".to_owned());
        [
            ("type", self.ty.clone()),
            ("versions", self.versions.to_string()),
            ("null in versions", or_no(self.null.map(|v| v.to_string()))),
            ("tag", or_no(self.tag.map(|tag| tag.to_string()))),
            ("must", self.must.to_string()),
            ("default", format!("{:?}", self.default)),
        ]
    }
}

/// One API of the file.
struct KafkaApi {
    key: i16,
    name: &'static str,
    /// Those included that Kafka calls unstable, which brokers offer only where they are told to.
    versions: Versions,
    flexible: i16,
    lines: Vec<&'static str>,
}

impl KafkaApi {
    fn all() -> impl Iterator<Item = Self> {
        let apis = SCHEMAS.split("\nerror ").next().into_iter();
        apis.flat_map(|text| text.split("api ").skip(1))
            .map(Self::parse)
    }

    fn parse(text: &'static str) -> Self {
        let mut lines = text.lines();
        let words: Vec<_> = lines.next().expect("a first line").split(' ').collect();
        let flexible = words.last().expect("a version");
        Self {
            key: words[0].parse().expect("a key"),
            name: words[1],
            versions: match words[3..] {
                ["unstable", newest, ..] => Versions::parse(&format!(
                    "{}-{newest}",
                    words[2].split('-').next().expect("a version")
                )),
                _ => Versions::parse(words[2]),
            },
            flexible: flexible
                .strip_suffix('+')
                .map_or(i16::MAX, |v| v.parse().expect("a version")),
            lines: lines.collect(),
        }
    }

    /// The fields in one direction, as far as they exist in `versions`.
    fn rows(&self, direction: &str, versions: Versions) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for line in &self.lines {
            let mut words = line.split(' ');
            if words.next() != Some(direction) {
                continue;
            }
            let path = words.next().expect("a path");
            let parent = path.rsplit_once('.').map(|(parent, _)| parent);
            let outer = parent.map_or(Some(versions), |parent| {
                rows.iter()
                    .find(|row| row.path == parent)
                    .map(|row| row.versions)
            });
            rows.extend(outer.and_then(|outer| Row::parse(path, words, outer)));
        }
        rows
    }
}

impl Row {
    fn parse<'a>(
        path: &str,
        mut words: impl Iterator<Item = &'a str>,
        outer: Versions,
    ) -> Option<Self> {
        let ty = words.next().expect("a type").split(':').next();
        let versions = Versions::parse(words.next().expect("versions")).within(outer)?;
        let mut row = Self {
            path: path.to_owned(),
            ty: ty.expect("a type").to_owned(),
            versions,
            null: None,
            tag: None,
            must: false,
            default: String::new(),
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().expect("a value");
            match word {
                "null" => row.null = Versions::parse(value()).within(versions),
                "tag" => row.tag = Some(value().parse().expect("a tag")),
                "default" => row.default = value().to_owned(),
                // Where every version has the field, none can lose it.
                "must" => row.must = versions != outer,
                word => panic!("{path}: {word} is not understood"),
            }
        }
        if let Some(default) = row.own_default() {
            row.default = default.to_owned();
        }
        Some(row)
    }

    /// What the tables say where they deliberately depart from Kafka's default: null wherever null
    /// can be said, while Kafka's classes often start with what is empty.
    fn own_default(&self) -> Option<&'static str> {
        let always_nullable = self.null == Some(self.versions) && self.tag.is_none();
        if always_nullable && self.default.is_empty() {
            return Some("null");
        }
        DEFAULTS
            .iter()
            .find(|(path, _)| *path == self.path)
            .map(|(_, default)| *default)
    }
}

fn own_rows(codec: &Codec, versions: Versions) -> Vec<Row> {
    let mut rows = Vec::new();
    walk(codec.schema, "", versions, &mut rows);
    rows
}

/// Adds the fields of a struct, each followed by those within it.
fn walk(ty: Type, prefix: &str, outer: Versions, rows: &mut Vec<Row>) {
    let Type::Struct(fields) = ty else {
        panic!("{prefix} is no struct");
    };
    for field in fields {
        let path = format!("{prefix}{}", field.name.trim_start_matches("r#"));
        let spec = field.spec;
        let versions = Versions(spec.min, spec.max).within(outer);
        let versions = versions.unwrap_or_else(|| panic!("{path} is in no version at all"));
        let nullable = matches!(field.ty, Type::Nullable(_));
        assert!(
            nullable || spec.null == 0,
            "{path} says null, but cannot be"
        );
        rows.push(Row {
            path: path.clone(),
            ty: name(field.ty),
            versions,
            null: Versions(spec.null, i16::MAX)
                .within(versions)
                .filter(|_| nullable),
            tag: spec.tag,
            must: spec.must && versions != outer,
            default: default(field),
        });
        if let inner @ Type::Struct(_) = innermost(field.ty) {
            walk(inner, &format!("{path}."), versions, rows);
        }
    }
}

/// The type in Kafka's spelling; that it can be null stands elsewhere.
fn name(ty: Type) -> String {
    match ty {
        Type::Nullable(inner) => name(*inner),
        Type::Array(inner) => format!("[]{}", name(*inner)),
        Type::Struct(_) => "struct".to_owned(),
        Type::Bool => "boolean".to_owned(),
        ty => format!("{ty:?}").to_lowercase(),
    }
}

fn innermost(ty: Type) -> Type {
    match ty {
        Type::Nullable(inner) | Type::Array(inner) => innermost(*inner),
        ty => ty,
    }
}

/// The default as the file says it: nothing for what is zero, empty or a struct.
fn default(field: &Field) -> String {
    let mut w = Writer::new(field.spec.min, false);
    (field.default)(&mut w);
    let bytes = w.finish().expect("a default is valid").concat().into();
    let mut r = Reader::new(&bytes, field.spec.min, false);
    let ty = match field.ty {
        Type::Nullable(_) if bytes.first() == Some(&0xff) => return "null".to_owned(),
        Type::Nullable(inner) => *inner,
        ty => ty,
    };
    match ty {
        Type::Bool => said(bool::decode(&mut r), &false),
        Type::Int8 => said(i8::decode(&mut r), &0),
        Type::Int16 => said(i16::decode(&mut r), &0),
        Type::Int32 => said(i32::decode(&mut r), &0),
        Type::Int64 => said(i64::decode(&mut r), &0),
        Type::Float64 => said(f64::decode(&mut r), &0.0),
        _ if bytes.iter().all(|b| *b == 0) => String::new(),
        Type::Struct(_) => String::new(),
        ty => format!("{ty:?} {bytes:?}"),
    }
}

fn said<T: Display + PartialEq, E: std::fmt::Debug>(value: Result<T, E>, zero: &T) -> String {
    let value = value.expect("it was written just now");
    if value == *zero {
        String::new()
    } else {
        value.to_string()
    }
}
