//! `-X help`: which settings there are, with their defaults and what they do.

use std::io::Write;

use ottla::Setting;

use crate::{failure::Failure, output::Output};

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
