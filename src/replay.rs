//! `egret replay`: which requests of an access log a configuration would decide differently.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;

use crate::access_log::LogLine;
use crate::args::{ReplayArgs, TextOrJson};
use crate::explain::compiled;
use crate::files::STDIN;
use crate::output::Answer;
use crate::{access_log, output};

mod decision;
mod recorded;

use decision::Decision;
use recorded::{Judgement, RecordedRequest, Recording};

/// What came of a log.
#[derive(Debug, Default, Serialize)]
struct Replay {
    /// The requests that were judged.
    judged: usize,
    /// Those whose decision the log does not tell, or that depended on more than a request: on limits, faults, bodies.
    not_judged: usize,
    /// Lines that are none of an access log.
    unreadable: usize,
    /// The requests about which nobody can know, because of what the log does not tell of them.
    unknown: Vec<Unknown>,
    /// What is decided differently.
    changes: Vec<Change>,
}

/// Requests of one kind that are decided differently.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Change {
    /// How many there are in the log.
    requests: usize,
    /// The first of them.
    first: RecordedRequest,
    /// What was decided when it was served.
    recorded: Decision,
    /// What would be decided.
    now: Decision,
}

/// Requests of one kind about which something may decide that the log does not tell.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Unknown {
    /// How many there are in the log.
    requests: usize,
    /// The first of them.
    first: RecordedRequest,
    /// What was decided when it was served.
    recorded: Decision,
    /// What reads header fields, the query, a certificate, credentials or claims, of which the log does not tell.
    reason: String,
}

/// Requests of one kind: of the listener, to the destination, with these decisions.
type ChangeKey = (String, String, Decision, Decision);

/// Prints the changes on stdout. The exit code says whether there is none.
pub(crate) fn run(args: &ReplayArgs) -> ExitCode {
    output::answer(replay(args))
}

/// What is decided differently; fine is nothing.
fn replay(args: &ReplayArgs) -> Result<Answer, String> {
    let is_stdin = |path: &PathBuf| path == Path::new(STDIN);
    if args.sources.paths.iter().any(is_stdin) && args.logs.iter().any(is_stdin) {
        return Err("stdin can be the configuration or the log, not both".to_owned());
    }
    let snapshot = compiled(&args.sources)?;
    let mut replay = Replay::default();
    let mut changes: BTreeMap<ChangeKey, Change> = BTreeMap::new();
    let mut unknown: BTreeMap<(String, String), Unknown> = BTreeMap::new();
    access_log::read(&args.logs, |line| {
        if line.is_empty() {
            return;
        }
        let Some(line) = LogLine::read(line) else {
            replay.unreadable += 1;
            return;
        };
        let Some(Recording { request, decision }) = Recording::of(&line) else {
            replay.not_judged += 1;
            return;
        };
        replay.judged += 1;
        let now = match request.decide(&snapshot, &decision) {
            Judgement::Decided(now) => now,
            Judgement::Unknown(reason) => {
                let key = (request.to().to_owned(), reason.clone());
                let one = unknown.entry(key).or_insert_with(|| Unknown {
                    requests: 0,
                    first: request,
                    recorded: decision,
                    reason,
                });
                one.requests += 1;
                return;
            }
        };
        if now.is_like(&decision) {
            return;
        }
        let key = (
            request.listener.clone(),
            request.to().to_owned(),
            decision.clone(),
            now.clone(),
        );
        let change = changes.entry(key).or_insert_with(|| Change {
            requests: 0,
            first: request,
            recorded: decision,
            now,
        });
        change.requests += 1;
    })?;
    access_log::check_read(replay.judged + replay.not_judged, replay.unreadable)?;
    replay.changes = changes.into_values().collect();
    replay
        .changes
        .sort_by_key(|change| std::cmp::Reverse(change.requests));
    replay.unknown = unknown.into_values().collect();
    replay
        .unknown
        .sort_by_key(|one| std::cmp::Reverse(one.requests));
    Ok(Answer {
        text: match args.output {
            TextOrJson::Text => replay.text(),
            TextOrJson::Json => output::json(&replay)?,
        },
        is_fine: replay.changes.is_empty() && replay.unknown.is_empty(),
    })
}

impl Replay {
    fn text(&self) -> String {
        let mut text = String::new();
        for change in &self.changes {
            text += &change.text();
        }
        for one in &self.unknown {
            text += &one.text();
        }
        let changed: usize = self.changes.iter().map(|change| change.requests).sum();
        let Self {
            judged,
            not_judged,
            unreadable,
            ..
        } = self;
        text += &format!("{changed} of {judged} requests would be decided differently");
        let unknown: usize = self.unknown.iter().map(|one| one.requests).sum();
        if unknown > 0 {
            text += &format!("; of {unknown} it is not known");
        }
        if *not_judged > 0 {
            text += &format!("; {not_judged} were not judged");
        }
        if *unreadable > 0 {
            text += &format!("; {unreadable} lines are not of Egret's access log");
        }
        text + "\n"
    }
}

impl Unknown {
    fn text(&self) -> String {
        let Self {
            requests,
            first,
            recorded,
            reason,
        } = self;
        let times = times(*requests);
        format!("{first}{times}\n  recorded  {recorded}\n  now       unknown: {reason}\n")
    }
}

/// How many requests there are of a kind, if there are several.
fn times(requests: usize) -> String {
    match requests {
        1 => String::new(),
        _ => format!(" ({requests} requests)"),
    }
}

impl Change {
    fn text(&self) -> String {
        let Self {
            requests,
            first,
            recorded,
            now,
        } = self;
        let times = times(*requests);
        format!("{first}{times}\n  recorded  {recorded}\n  now       {now}\n")
    }
}
