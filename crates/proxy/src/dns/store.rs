//! What the caches know, in a file, so that the first requests after a restart need not wait for DNS.
//!
//! The text is made and read by pure functions ([`encode`], [`decode`]): a header with the version, then one [`line`] for
//! each name. [`disk::Store`] keeps it in a folder.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use egret_config::snapshot::{ResolverId, ResolverSettings};

use crate::dns::cache::Kept;
pub use disk::Store;

mod disk;
mod line;

/// Most names that are written, of all resolvers together.
pub const MAX_NAMES: usize = 50_000;

/// The first line. What follows is read only under the same version.
const HEADER: &str = "egret dns 1";

/// Whose names they are: of this resolver, as its servers answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// `system`, or namespace and name of the ResolverPolicy.
    resolver: String,
    /// Tells other servers apart, and other search domains: they may know other addresses.
    servers: u64,
}

/// What a file held.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The names of each resolver, the last used last.
    pub names: HashMap<Owner, Vec<Kept>>,
    /// The lines that could not be read, from 1, and why.
    pub bad: Vec<(usize, String)>,
}

impl Owner {
    /// Of the resolver with these settings; `system` is what the system says about its servers, which counts when the
    /// settings name none.
    #[must_use]
    pub fn new(id: &ResolverId, settings: &ResolverSettings, system: &[u8]) -> Self {
        let resolver = match id {
            ResolverId::System => "system".to_owned(),
            ResolverId::Policy(policy) => format!("{}/{}", policy.namespace, policy.name),
        };
        let asked = (&settings.servers, &settings.search);
        // There is nothing in it that JSON could not hold.
        let mut asked = serde_json::to_vec(&asked).unwrap_or_default();
        if settings.servers.is_empty() {
            asked.extend_from_slice(system);
        }
        Self {
            resolver,
            servers: digest(&asked),
        }
    }
}

/// The text of a file: the names that were used last, at most [`MAX_NAMES`].
#[must_use]
pub fn encode(mut names: Vec<(&Owner, Kept)>, wall: SystemTime) -> String {
    names.sort_by_key(|(_, kept)| kept.idle);
    names.truncate(MAX_NAMES);
    let mut text = String::with_capacity(names.len() * 128 + HEADER.len());
    text.push_str(HEADER);
    text.push('\n');
    for (owner, kept) in &names {
        let line = line::encode(owner, kept, wall);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:016x} {line}", digest(line.as_bytes()));
    }
    text
}

/// Reads the text of a file. A line that is not as it was written is left out.
#[must_use]
pub fn decode(text: &[u8], wall: SystemTime) -> Decoded {
    let mut decoded = Decoded::default();
    // A last line without an end was cut off.
    let (text, rest) = match text.iter().rposition(|&octet| octet == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (&[][..], text),
    };
    let mut lines = text.split(|&octet| octet == b'\n').zip(1..);
    match lines.next() {
        Some((header, _)) if header == HEADER.as_bytes() => {}
        _ => {
            let error = format!("not the header {HEADER:?}: another version, or another file");
            decoded.bad.push((1, error));
            return decoded;
        }
    }
    for (line, number) in lines.by_ref() {
        match checked(line).and_then(|line| line::decode(line, wall)) {
            Ok((owner, kept)) => decoded.names.entry(owner).or_default().push(kept),
            Err(error) => decoded.bad.push((number, error)),
        }
    }
    if !rest.is_empty() {
        let number = text.split(|&octet| octet == b'\n').count() + 1;
        decoded.bad.push((number, "the line is cut off".to_owned()));
    }
    for names in decoded.names.values_mut() {
        names.sort_by_key(|kept| std::cmp::Reverse(kept.idle));
    }
    decoded
}

/// The line without the checksum before it, if that is right.
fn checked(line: &[u8]) -> Result<&str, String> {
    let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
    let (sum, rest) = line.split_once(' ').ok_or("there is no checksum")?;
    if u64::from_str_radix(sum, 16) != Ok(digest(rest.as_bytes())) {
        return Err("the checksum is wrong".to_owned());
    }
    Ok(rest)
}

/// FNV-1a: against accidents, the same in every process.
fn digest(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &octet| {
        (sum ^ u64::from(octet)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
