//! The folder that the peers' values lie in, removed at the end.

use std::path::PathBuf;

use ottla_versus::{Outcome, Payloads};

pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Outcome<Self> {
        let name = format!("ottla-versus-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// The file with values of this size, written when it is first asked for.
    pub(crate) fn payloads(&self, size: usize) -> Outcome<String> {
        let path = self.0.join(format!("{size}-bytes"));
        if !path.exists() {
            std::fs::write(&path, Payloads::text(size))?;
        }
        Ok(path.display().to_string())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} was not removed: {error}", self.0.display());
        }
    }
}
