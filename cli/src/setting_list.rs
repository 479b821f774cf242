//! `-X help`: which settings there are, with their defaults and what they do.

use std::{ffi::OsString, io::Write};

use ottla::Setting;

use crate::{failure::Failure, output::Output};

/// Whether the arguments have `-X help`, or `-X list` as kcat calls it: whatever else they say or lack.
pub(crate) fn is_asked_for(args: impl Iterator<Item = OsString>) -> bool {
    let mut behind_x = false;
    for arg in args.take_while(|arg| arg != "--") {
        let asks = arg == "help" || arg == "list";
        if behind_x && asks || arg == "-Xhelp" || arg == "-Xlist" {
            return true;
        }
        behind_x = arg == "-X";
    }
    false
}

/// Prints all settings, those of the client first.
pub(crate) fn print() -> Result<(), Failure> {
    let mut output = Output::stdout();
    let printed = output.put(|out| {
        for setting in ottla::settings() {
            let Setting { name, of, doc, .. } = setting;
            let (default, values) = ((setting.default)(), (setting.values)());
            writeln!(out, "{name}={default}")?;
            writeln!(out, "    {of}: {}", doc.trim())?;
            writeln!(out, "    {values}")?;
            if !setting.aliases.is_empty() {
                writeln!(out, "    also {}", setting.aliases.join(", "))?;
            }
        }
        Ok(())
    });
    output.finish(printed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_asked_for_anywhere() {
        let asks = |args: &str| is_asked_for(args.split(' ').map(OsString::from));
        for args in [
            "ottla -X help",
            "ottla produce -X list t",
            "ottla topic list -Xhelp",
        ] {
            assert!(asks(args), "{args}");
        }
        for args in [
            "ottla help",
            "ottla produce t -X client.id=help",
            "ottla topic list -- -X help",
        ] {
            assert!(!asks(args), "{args}");
        }
    }
}
