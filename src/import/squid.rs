//! Squid's `acl` and `http_access` lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Imported, LeftOut};
use access::{AccessLine, AccessList};
use acl::Acl;
use lines::DirectiveLine;

mod access;
mod acl;
mod include;
mod lines;

/// How many files may include one another, as in Squid.
const MAX_INCLUDES: usize = 16;

/// Directives beside `http_access` that decide where requests may go, or how.
const ALSO_DECIDE: &[(&str, &str)] = &[
    (
        "adapted_http_access",
        "it is asked after ICAP, which there is none of",
    ),
    ("always_direct", "requests go to their host always"),
    (
        "cache_peer",
        "requests go to their host; a Backend with a tunnel goes through another proxy",
    ),
    ("cache_peer_access", "requests go to their host"),
    (
        "delay_access",
        "write a TrafficPolicy with rateLimit, or limits in an EgressPolicy",
    ),
    ("http_reply_access", "responses are not decided about"),
    ("never_direct", "requests go to their host always"),
    ("reply_body_max_size", "responses are not decided about"),
    (
        "request_header_access",
        "write a TrafficPolicy with headerModifiers",
    ),
    (
        "ssl_bump",
        "TLS is not opened: what is inside a tunnel cannot be read",
    ),
    (
        "tcp_outgoing_address",
        "the system chooses the source address",
    ),
    (
        "url_rewrite_program",
        "write an HTTPRoute with a URLRewrite filter",
    ),
];

/// The names of all `acl` lines, in lower case, as Squid compares them.
type Acls = BTreeMap<String, Acl>;

/// Turns a `squid.conf`. Files that it names are looked for as Squid would, and beside it.
pub(super) fn import(text: &str, path: &Path) -> Imported {
    let mut reading = Reading {
        acls: acl::predefined(),
        list: AccessList::default(),
        imported: Imported::default(),
    };
    let file = ConfigFile {
        path,
        included: None,
        depth: 0,
    };
    reading.read(text, &file);
    reading.finish()
}

/// A file, and how it came in.
struct ConfigFile<'f> {
    path: &'f Path,
    /// The line of the main file that includes it, and what it is called.
    included: Option<(usize, &'f str)>,
    depth: usize,
}

/// What was read so far.
struct Reading {
    acls: Acls,
    list: AccessList,
    imported: Imported,
}

impl ConfigFile<'_> {
    /// What the rule of a line is called.
    fn rule_name(&self, at: usize) -> String {
        match self.included {
            None => format!("line-{at}"),
            Some((_, name)) => format!("{name}-line-{at}"),
        }
    }

    /// Something of a line that could not be turned.
    fn left_out(&self, at: usize, message: &str) -> LeftOut {
        match self.included {
            None => LeftOut::new(at, message),
            Some((line, name)) => LeftOut::new(line, format!("{name}:{at}: {message}")),
        }
    }
}

impl Reading {
    fn read(&mut self, text: &str, file: &ConfigFile<'_>) {
        for line in lines::read(text) {
            let mut left = Vec::new();
            match line.name {
                "acl" => acl::define(&mut self.acls, &line.words, file.path, &mut left),
                "http_access" => {
                    let policy = &mut self.imported.policy;
                    let name = file.rule_name(line.at);
                    let words = &line.words;
                    let line = AccessLine { words, name };
                    self.list.add(line, &self.acls, policy, &mut left);
                }
                "include" => self.include(&line, file, &mut left),
                name => {
                    let why = ALSO_DECIDE.iter().find(|(known, _)| *known == name);
                    left.extend(why.map(|(_, why)| format!("{name}: {why}")));
                }
            }
            let left = left.iter().map(|message| file.left_out(line.at, message));
            self.imported.left.extend(left);
        }
    }

    /// Reads the files of an `include` line in its place.
    fn include(&mut self, line: &DirectiveLine<'_>, file: &ConfigFile<'_>, left: &mut Vec<String>) {
        if file.depth == MAX_INCLUDES {
            left.push("include: too many files inside one another".to_owned());
            return;
        }
        for pattern in &line.words {
            let Some(paths) = include::files(pattern, file.path) else {
                left.push(format!("include: {pattern} is not there"));
                continue;
            };
            for path in paths {
                match fs::read_to_string(&path) {
                    Ok(text) => {
                        let name = include::name(&path);
                        let at = file.included.map_or(line.at, |(at, _)| at);
                        let included = ConfigFile {
                            path: &path,
                            included: Some((at, &name)),
                            depth: file.depth + 1,
                        };
                        self.read(&text, &included);
                    }
                    Err(error) => left.push(format!("include: {}: {error}", path.display())),
                }
            }
        }
    }

    fn finish(self) -> Imported {
        let Self {
            acls,
            list,
            mut imported,
        } = self;
        if acls.values().any(Acl::is_by_user) {
            imported.notes.push(
                "Users have to be proven: write a TrafficPolicy with basicAuth on the Gateway.",
            );
        }
        if list.is_empty() {
            let message =
                "there is no http_access line, so that nothing is allowed: is this a squid.conf?";
            imported.left.push(LeftOut::new(0, message));
        }
        list.finish(&mut imported.policy);
        imported
    }
}

#[cfg(test)]
mod tests;
