//! Writes and reads the text of the file: a header with the version, then one line for each name, with a checksum
//! before it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use super::line;
use super::owner::{CacheOwner, digest};
use crate::dns::cache::SavedEntry;

/// The most names that are written, of all resolvers together.
pub(in crate::dns) const MAX_NAMES: usize = 50_000;

/// The first line. What follows is read only under the same version.
const HEADER: &str = "egret dns 1";

/// The content of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::dns) struct StoredNames {
    /// The names of each resolver, the last used last.
    pub(in crate::dns) names: HashMap<CacheOwner, Vec<SavedEntry>>,
    /// The numbers of the lines that could not be read, from 1, and why.
    pub(super) bad: Vec<(usize, String)>,
}

/// Writes the text of a file with the names that were used last, at most [`MAX_NAMES`]; `wall` is the time.
#[must_use]
pub(in crate::dns) fn encode(
    mut names: Vec<(&CacheOwner, SavedEntry)>,
    wall: SystemTime,
) -> String {
    names.sort_by_key(|(_, saved)| saved.idle);
    names.truncate(MAX_NAMES);
    let mut text = String::with_capacity(names.len() * 128 + HEADER.len());
    text.push_str(HEADER);
    text.push('\n');
    for (owner, saved) in &names {
        let line = line::encode(owner, saved, wall);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:016x} {line}", digest(line.as_bytes()));
    }
    text
}

/// Reads the text of a file; `wall` is the time. A line that was damaged is left out.
#[must_use]
pub(super) fn decode(text: &[u8], wall: SystemTime) -> StoredNames {
    let mut stored = StoredNames::default();
    // A last line without a line break was cut off.
    let (text, rest) = match text.iter().rposition(|&byte| byte == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (&[][..], text),
    };
    let mut lines = text.split(|&byte| byte == b'\n').zip(1..);
    match lines.next() {
        Some((header, _)) if header == HEADER.as_bytes() => {}
        _ => {
            let error = format!("not the header {HEADER:?}: another version, or another file");
            stored.bad.push((1, error));
            return stored;
        }
    }
    for (line, number) in lines.by_ref() {
        match verified(line).and_then(|line| line::decode(line, wall)) {
            Ok((owner, saved)) => stored.names.entry(owner).or_default().push(saved),
            Err(error) => stored.bad.push((number, error)),
        }
    }
    if !rest.is_empty() {
        let number = text.split(|&byte| byte == b'\n').count() + 1;
        stored.bad.push((number, "the line is cut off".to_owned()));
    }
    for names in stored.names.values_mut() {
        names.sort_by_key(|saved| std::cmp::Reverse(saved.idle));
    }
    stored
}

/// The line without the checksum before it, if that is right.
fn verified(line: &[u8]) -> Result<&str, String> {
    let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let (sum, rest) = line.split_once(' ').ok_or("there is no checksum")?;
    if u64::from_str_radix(sum, 16) != Ok(digest(rest.as_bytes())) {
        return Err("the checksum is wrong".to_owned());
    }
    Ok(rest)
}

#[cfg(test)]
mod tests;
