//! What a broker speaks, and how that is found out.

use std::{collections::HashMap, fmt, ops::RangeInclusive};

use ottla_protocol::{
    ErrorCode,
    messages::{Api, ApiKey, ApiVersionsRequest, ApiVersionsResponse},
    wire::Request,
};

/// The API versions that a broker speaks.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    ranges: HashMap<i16, (i16, i16)>,
}

/// There is no version of an API that both sides speak (rule 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionError {
    /// Kafka's name of the API.
    pub api: &'static str,
    /// What this client speaks.
    pub ours: (i16, i16),
    /// What the broker speaks; `None` where it does not know the API.
    pub theirs: Option<(i16, i16)>,
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            api,
            ours: (min, max),
            theirs,
        } = self;
        match theirs {
            None => write!(f, "the broker does not offer {api}"),
            Some((lo, hi)) if hi < min => write!(
                f,
                "the broker is too old: it speaks {api} {lo} to {hi}, this client {min} to {max}"
            ),
            Some((lo, hi)) => write!(
                f,
                "the broker is too new: it speaks {api} {lo} to {hi}, this client {min} to {max}"
            ),
        }
    }
}

impl std::error::Error for VersionError {}

impl Versions {
    /// What a broker said.
    #[must_use]
    pub fn new(response: &ApiVersionsResponse) -> Self {
        let ranges = response.api_keys.iter();
        Self {
            ranges: ranges
                .map(|r| (r.api_key, (r.min_version, r.max_version)))
                .collect(),
        }
    }

    /// The newest version of `R` that both sides speak.
    ///
    /// # Errors
    /// When there is none.
    pub fn pick<R: Request>(&self) -> Result<i16, VersionError> {
        self.pick_up_to::<R>(i16::MAX)
    }

    /// [`pick`](Self::pick), but no newer than `cap`: where the cluster's features decide, too.
    ///
    /// # Errors
    /// When there is none.
    pub fn pick_up_to<R: Request>(&self, cap: i16) -> Result<i16, VersionError> {
        self.pick_in(R::KEY, R::NAME, R::VERSIONS, cap)
    }

    fn pick_in(
        &self,
        key: i16,
        api: &'static str,
        ours: RangeInclusive<i16>,
        cap: i16,
    ) -> Result<i16, VersionError> {
        let (min, max) = (*ours.start(), *ours.end());
        let theirs = self.ranges.get(&key).copied();
        let error = VersionError {
            api,
            ours: (min, max),
            theirs,
        };
        let Some((lo, hi)) = theirs else {
            return Err(error);
        };
        let best = max.min(hi).min(cap);
        if best < min || best < lo {
            Err(error)
        } else {
            Ok(best)
        }
    }

    /// The newest version of ApiVersions that the broker speaks.
    #[must_use]
    pub fn newest_api_versions(&self) -> i16 {
        let range = self.ranges.get(&ApiVersionsRequest::KEY);
        range.map_or(0, |(_, newest)| *newest)
    }

    /// Every API that both sides speak, with the newest common version.
    pub fn common(&self) -> impl Iterator<Item = (ApiKey, i16)> {
        let apis = ottla_protocol::messages::APIS.iter();
        apis.filter_map(
            |Api {
                 key,
                 name,
                 versions,
                 ..
             }| {
                let version = self.pick_in(*key as i16, name, versions.clone(), i16::MAX);
                version.ok().map(|v| (*key, v))
            },
        )
    }
}

/// Asks for a broker's versions in a version that the broker may not speak (rules 1, 2).
#[derive(Debug)]
pub struct Negotiation {
    version: i16,
    /// Connections that were closed on us in the first version.
    closed: u32,
}

/// What to do next in a negotiation.
#[derive(Debug)]
pub enum Negotiated {
    /// The broker speaks this.
    Done(Versions),
    /// Ask again on the same connection.
    Again,
    /// The broker refuses for another reason.
    Refused(ErrorCode),
}

/// The version in which a broker is asked of which nothing is known. Brokers before 4.4 refuse a newer
/// one, which would cost every connection to them a second round trip.
pub const FIRST_VERSION: i16 = 4;

/// How often the first version is tried before an old broker is suspected that closes the
/// connection instead of answering.
const TRIES_AT_FIRST: u32 = 2;

impl Default for Negotiation {
    fn default() -> Self {
        Self::asking_in(FIRST_VERSION)
    }
}

impl Negotiation {
    /// Asks in this version first.
    #[must_use]
    pub const fn asking_in(version: i16) -> Self {
        Self { version, closed: 0 }
    }

    /// The version to ask in.
    #[must_use]
    pub const fn version(&self) -> i16 {
        self.version
    }

    /// Takes in an answer. One in another version than asked must have been read as version 0.
    #[must_use]
    pub fn handle_response(&mut self, response: &ApiVersionsResponse) -> Negotiated {
        match response.error_code {
            ErrorCode::NONE => Negotiated::Done(Versions::new(response)),
            ErrorCode::UNSUPPORTED_VERSION if self.version > 0 => {
                self.version = self.lower(response);
                Negotiated::Again
            }
            error => Negotiated::Refused(error),
        }
    }

    /// The newest version the broker says it speaks, if that is lower than what was tried; else 0.
    fn lower(&self, response: &ApiVersionsResponse) -> i16 {
        let said = response
            .api_keys
            .iter()
            .find(|r| r.api_key == ApiVersionsRequest::KEY);
        said.map(|r| r.max_version)
            .filter(|v| (0..self.version).contains(v))
            .unwrap_or(0)
    }

    /// The connection was closed instead of an answer. True when it is worth trying once more on a
    /// new one: in the same version first, then in version 0.
    pub fn handle_closed(&mut self) -> bool {
        if self.version == 0 {
            return false;
        }
        self.closed += 1;
        if self.closed >= TRIES_AT_FIRST {
            self.version = 0;
        }
        true
    }
}

/// Whether brokers take this as `client_software_name` or `_version`; they end the connection
/// otherwise (rule 3).
#[must_use]
pub fn is_software_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    name.chars().all(inner) && outer(name.chars().next()) && outer(name.chars().next_back())
}

#[cfg(test)]
mod tests {
    use ottla_protocol::messages::{ApiVersion, FetchRequest, ProduceRequest};

    use super::*;

    fn says(error_code: ErrorCode, ranges: &[(i16, i16, i16)]) -> ApiVersionsResponse {
        let one = |&(api_key, min_version, max_version)| ApiVersion {
            api_key,
            min_version,
            max_version,
        };
        let api_keys = ranges.iter().map(one).collect();
        ApiVersionsResponse {
            error_code,
            api_keys,
            ..ApiVersionsResponse::default()
        }
    }

    #[test]
    fn the_newest_common_version_is_picked() {
        let versions = Versions::new(&says(ErrorCode::NONE, &[(0, 0, 11), (1, 4, 99)]));
        assert_eq!(versions.pick::<ProduceRequest>(), Ok(11));
        assert_eq!(versions.pick_up_to::<ProduceRequest>(9), Ok(9));
        assert_eq!(
            versions.pick::<FetchRequest>(),
            Ok(*FetchRequest::VERSIONS.end())
        );
    }

    #[test]
    fn brokers_too_old_too_new_or_without_the_api_are_told_apart() {
        let error = |ranges: &[_]| {
            let versions = Versions::new(&says(ErrorCode::NONE, ranges));
            versions
                .pick::<FetchRequest>()
                .expect_err("there is none")
                .to_string()
        };
        assert!(error(&[(1, 0, 3)]).contains("too old"));
        assert!(error(&[(1, 90, 99)]).contains("too new"));
        assert!(error(&[]).contains("does not offer Fetch"));
    }

    #[test]
    fn the_newest_version_of_api_versions_is_0_where_the_broker_names_none() {
        let newest = |ranges: &[_]| {
            let versions = Versions::new(&says(ErrorCode::NONE, ranges));
            versions.newest_api_versions()
        };
        assert_eq!((newest(&[(18, 0, 5)]), newest(&[(1, 4, 9)])), (5, 0));
    }

    #[test]
    fn an_older_broker_names_the_version_to_ask_in() {
        let mut n = Negotiation::default();
        let answer = says(ErrorCode::UNSUPPORTED_VERSION, &[(18, 0, 2)]);
        assert!(matches!(n.handle_response(&answer), Negotiated::Again));
        assert_eq!(n.version(), 2);
    }

    #[test]
    fn an_answer_that_does_not_lower_the_version_leads_to_version_0_and_then_ends() {
        let mut n = Negotiation::default();
        let answer = says(ErrorCode::UNSUPPORTED_VERSION, &[(18, 0, 99)]);
        assert!(matches!(n.handle_response(&answer), Negotiated::Again));
        assert_eq!(n.version(), 0);
        assert!(matches!(n.handle_response(&answer), Negotiated::Refused(_)));
    }

    #[test]
    fn a_broker_that_hangs_up_is_asked_twice_and_then_in_version_0() {
        let mut n = Negotiation::default();
        assert!(n.handle_closed());
        assert_eq!(n.version(), FIRST_VERSION);
        assert!(n.handle_closed());
        assert_eq!(n.version(), 0);
        assert!(!n.handle_closed());
    }

    #[test]
    fn software_names_are_those_that_brokers_take() {
        assert!(is_software_name("ottla") && is_software_name("a-b.1"));
        assert!(!is_software_name("") && !is_software_name("-a") && !is_software_name("a b"));
    }
}
