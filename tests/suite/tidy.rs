//! House rules that no linter holds.

use std::{
    fs,
    path::{Path, PathBuf},
};

const COLUMNS: usize = 120;
/// A function longer than this has a second idea in it.
const FUNCTION: usize = 70;
const FILE: usize = 700;

fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("the workspace").to_owned()
}

/// Our Rust files, with their path from the workspace and their text.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("it can be read") {
            let path = entry.expect("it can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let short = path.strip_prefix(root()).expect("it is below");
                let text = fs::read_to_string(&path).expect("it is text");
                found.push((short.display().to_string(), text));
            }
        }
    }
    found
}

#[test]
fn lines_and_files_fit_the_eye() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(
            lines <= FILE,
            "{path} has {lines} lines; has a second idea moved in?"
        );
        for (n, line) in text.lines().enumerate() {
            assert!(
                line.chars().count() <= COLUMNS,
                "{path}:{} is too long",
                n + 1
            );
        }
    }
}

#[test]
fn functions_fit_the_eye() {
    for (path, text) in sources() {
        let mut open: Option<(usize, usize)> = None;
        for (n, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let starts = [
                "fn ",
                "pub fn ",
                "async fn ",
                "pub async fn ",
                "pub(crate) fn ",
            ];
            let starts = starts.iter().any(|s| line.trim_start().starts_with(s));
            if starts && !line.ends_with([';', '}']) {
                open = Some((n, indent));
            } else if let Some((start, at)) = open
                && line.trim_end() == format!("{}}}", " ".repeat(at))
            {
                let long = n - start + 1;
                assert!(long <= FUNCTION, "{path}:{} takes {long} lines", start + 1);
                open = None;
            }
        }
    }
}

#[test]
fn pure_crates_stay_pure() {
    for (path, text) in sources() {
        let pure = path.starts_with("protocol/src") || path.starts_with("core/src");
        for word in [
            "tokio",
            "std::net",
            "std::fs",
            "std::thread",
            "SystemTime::now",
        ] {
            let used = text
                .lines()
                .any(|l| l.contains(word) && !l.trim_start().starts_with("//"));
            assert!(!(pure && used), "{path} uses {word}");
        }
    }
}

#[test]
fn no_file_is_forgotten_by_mod() {
    let sources = sources();
    for (path, _) in &sources {
        let path = Path::new(path);
        let (Some(folder), Some(stem)) = (path.parent(), path.file_stem()) else {
            continue;
        };
        let stem = stem.to_string_lossy();
        let is_root = ["lib", "main", "mod", "build"].contains(&&*stem);
        if is_root || !path.components().any(|c| c.as_os_str() == "src") {
            continue;
        }
        let parents = ["mod.rs", "lib.rs", "main.rs"].map(|f| folder.join(f));
        let above = folder.with_extension("rs");
        let declares = |text: &str| {
            text.contains(&format!("mod {stem};")) || text.contains(&format!(" {stem} "))
        };
        let declared = sources.iter().any(|(p, text)| {
            let p = Path::new(p);
            (parents.iter().any(|m| m == p) || p == above) && declares(text)
        });
        let bin = path.components().any(|c| c.as_os_str() == "bin");
        assert!(declared || bin, "{} is in no mod", path.display());
    }
}
