//! House rules that no linter holds.

use std::{
    fs,
    path::{Path, PathBuf},
};

const COLUMNS: usize = 120;
/// A function longer than this has a second idea in it.
const FUNCTION: usize = 70;
const FILE: usize = 700;
/// A file of the machines and of the client that is longer says why in its head.
const CLIENT_FILE: usize = 500;
const REASON: &str = "Longer than other files: ";

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
        let is_product = (path.starts_with("core/src/") || path.starts_with("client/src/"))
            && !path.contains("/tests");
        let head: String = text.lines().take(30).collect();
        assert!(
            !is_product || lines <= CLIENT_FILE || head.contains(REASON),
            "{path} has {lines} lines, and no reason for it in its head"
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

/// Whether a line begins a function, whatever stands in front of `fn`.
fn begins_function(line: &str) -> bool {
    let words = line.split(' ').filter(|word| !word.is_empty());
    let mut words = words.skip_while(|word| {
        let qualifies = ["pub", "async", "const", "unsafe", "extern", "default"].contains(word);
        qualifies || word.starts_with("pub(") || word.starts_with('"') || word.ends_with(')')
    });
    words.next() == Some("fn")
}

#[test]
fn every_kind_of_function_is_seen() {
    for line in [
        "fn f() {",
        "    pub(in crate::a) async fn f() {",
        "pub(super) const fn f() -> u8 {",
        "extern \"C\" fn f() {",
        "    async fn f(",
    ] {
        assert!(begins_function(line), "{line}");
    }
    assert!(!begins_function("    let fn_name = 1;") && !begins_function("// fn f"));
}

#[test]
fn functions_fit_the_eye() {
    for (path, text) in sources() {
        let mut open: Option<(usize, usize)> = None;
        for (n, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            if begins_function(line) && !line.ends_with([';', '}']) {
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

/// The module of a file below a crate's `src`, as its path: `consumer::driver::topics`.
fn module(path: &str) -> Vec<String> {
    let path = path.trim_end_matches(".rs");
    let parts = path.split('/').map(str::to_owned);
    parts
        .filter(|part| !["mod", "lib", "main"].contains(&part.as_str()))
        .collect()
}

/// The paths of one `use`, with its braces opened: `a::{b, c::{d}}` is `a::b` and `a::c::d`.
fn opened(prefix: &[String], tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once("::") else {
        if let Some(inner) = tree.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            return branches(inner)
                .iter()
                .flat_map(|t| opened(prefix, t))
                .collect();
        }
        let name = tree.split_whitespace().next().unwrap_or_default();
        return vec![[prefix, &[name.to_owned()]].concat()];
    };
    if tree.starts_with('{') {
        let inner = tree.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
        let inner = inner.unwrap_or_default();
        return branches(inner)
            .iter()
            .flat_map(|t| opened(prefix, t))
            .collect();
    }
    opened(&[prefix, &[head.trim().to_owned()]].concat(), rest)
}

/// What stands between the commas that are in no braces.
fn branches(text: &str) -> Vec<String> {
    let (mut depth, mut all) = (0, vec![String::new()]);
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                all.push(String::new());
                continue;
            }
            _ => {}
        }
        all.last_mut().expect("there is one").push(c);
    }
    all.retain(|branch| !branch.trim().is_empty());
    all
}

/// The modules of the same crate that a file uses, but for those that it is in or that are in it.
fn used(own: &[String], text: &str, modules: &[Vec<String>]) -> Vec<Vec<String>> {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = format!(" {}", lines.join(" "));
    let uses = code
        .split(" use ")
        .skip(1)
        .filter_map(|rest| rest.split(';').next());
    let mut found = Vec::new();
    for path in uses.flat_map(|tree| opened(&[], tree)) {
        let mut base = own.to_vec();
        let mut rest = &path[..];
        match path.first().map(String::as_str) {
            Some("crate") => (base, rest) = (Vec::new(), &path[1..]),
            Some("super") => {
                while rest.first().is_some_and(|word| word == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            _ => {}
        }
        let full = [&base[..], rest].concat();
        let longest = (1..=full.len()).rev().map(|n| full[..n].to_vec());
        let Some(target) = longest.into_iter().find(|path| modules.contains(path)) else {
            continue;
        };
        if !own.starts_with(&target) && !target.starts_with(own) {
            found.push(target);
        }
    }
    found
}

type Edge = (Vec<String>, Vec<String>);

/// A way from a module back to itself, if there is one.
fn circle(from: &[String], edges: &[Edge]) -> Option<Vec<String>> {
    let mut ways = vec![vec![from.to_vec()]];
    let mut seen = Vec::new();
    while let Some(way) = ways.pop() {
        let last = way.last().expect("it begins somewhere").clone();
        for (_, to) in edges.iter().filter(|(a, _)| *a == last) {
            if to == from {
                return Some(way.iter().map(|module| module.join("::")).collect());
            }
            if !seen.contains(to) {
                seen.push(to.clone());
                ways.push([&way[..], std::slice::from_ref(to)].concat());
            }
        }
    }
    None
}

/// Files that use each other in a circle are one idea in several places.
#[test]
fn no_files_use_each_other_in_a_circle() {
    for folder in [
        "client/src/",
        "core/src/",
        "broker/src/",
        "protocol/src/",
        "cli/src/",
    ] {
        let all = sources().into_iter();
        let files: Vec<_> = all
            .filter_map(|(path, text)| Some((module(path.strip_prefix(folder)?), text)))
            .collect();
        let modules: Vec<_> = files.iter().map(|(module, _)| module.clone()).collect();
        let edges: Vec<Edge> = files
            .iter()
            .flat_map(|(own, text)| {
                let targets = used(own, text, &modules).into_iter();
                targets.map(|to| (own.clone(), to)).collect::<Vec<_>>()
            })
            .collect();
        for (module, _) in &files {
            let circle = circle(module, &edges);
            assert!(
                circle.is_none(),
                "{folder}: {}",
                circle.unwrap_or_default().join(" uses ")
            );
        }
    }
}
