//! The messages that are known, by name or key.

use std::{fmt, io::Write};

use ottla::protocol::messages::{APIS, Api};

use crate::{failure::Failure, output::Output};

/// The API of this name, in any case, or key.
pub(crate) fn find(text: &str) -> Result<&'static Api, String> {
    let key: Option<i16> = text.parse().ok();
    let named = |api: &&Api| api.name.eq_ignore_ascii_case(text) || Some(api.key as i16) == key;
    let found = APIS.iter().find(named);
    found.ok_or_else(|| "there is no such API; `ottla wire apis` lists them".to_owned())
}

/// `wire apis`
pub(crate) fn list() -> Result<(), Failure> {
    let mut out = Output::stdout();
    let done = APIS.iter().try_for_each(|api| {
        let (key, name, versions, flexible) =
            (api.key as i16, api.name, Versions(api), flexible(api));
        out.put(|to| writeln!(to, "{key}\t{name}\t{versions}\t{flexible}"))
    });
    out.finish(done)
}

fn flexible(api: &Api) -> String {
    match api.flexible {
        i16::MAX => "-".to_owned(),
        version => format!("{version}+"),
    }
}

/// The versions of an API as they are written: `0-13`.
pub(crate) struct Versions<'a>(pub(crate) &'a Api);

impl fmt::Display for Versions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions = &self.0.versions;
        write!(f, "{}-{}", versions.start(), versions.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_is_found_by_its_name_in_any_case_and_by_its_key() {
        for text in ["Metadata", "metadata", "3"] {
            assert_eq!(find(text).map(|api| api.name), Ok("Metadata"));
        }
        for text in ["", "Meta", "4", "-1", "99999"] {
            assert!(find(text).is_err(), "{text}");
        }
    }
}
