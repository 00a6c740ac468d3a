//! Parses lines of `htpasswd`: a user name, and the digest of a password.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::PasswordDigest;
use crate::policy::basic_auth::{BcryptFault, BcryptHash, StoredPassword};

const SHA: &str = "{SHA}";
const NOT_SUPPORTED: &str =
    "only bcrypt and {SHA} are supported, as htpasswd -B and htpasswd -s write them";

/// The users of a policy.
#[derive(Default)]
pub(super) struct HtpasswdUsers {
    pub(super) by_name: BTreeMap<Arc<str>, StoredPassword>,
}

impl HtpasswdUsers {
    /// Adds the user of a line.
    pub(super) fn add(&mut self, line: &str) -> Result<(), &'static str> {
        let (name, hash) = line.split_once(':').ok_or("not a line of name:hash")?;
        if name.is_empty() {
            return Err("the name is empty");
        }
        let stored = match hash.strip_prefix(SHA) {
            Some(hash) => StoredPassword::Sha1(sha1(hash)?),
            None => StoredPassword::Bcrypt(bcrypt(hash)?),
        };
        let older = self.by_name.insert(name.into(), stored);
        match older {
            Some(_) => Err("another line has the same user"),
            None => Ok(()),
        }
    }

    /// Adds the users of a file, and returns the faults in it.
    pub(super) fn add_file(&mut self, text: &str) -> Vec<String> {
        let lines = (1..).zip(text.lines().map(str::trim));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let wrong = lines.filter_map(|(number, line)| {
            let message = self.add(line).err()?;
            Some(format!("line {number}: {message}"))
        });
        let mut wrong: Vec<_> = wrong.collect();
        if wrong.is_empty() && self.by_name.is_empty() {
            wrong.push("there are no users".to_owned());
        }
        wrong
    }
}

fn sha1(hash: &str) -> Result<PasswordDigest, &'static str> {
    let bytes = STANDARD.decode(hash).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    let bytes = bytes.ok_or("not the base64 of a SHA-1 behind {SHA}")?;
    Ok(PasswordDigest::new(bytes))
}

fn bcrypt(hash: &str) -> Result<BcryptHash, &'static str> {
    BcryptHash::parse(hash).map_err(|fault| match fault {
        BcryptFault::Other => NOT_SUPPORTED,
        BcryptFault::Malformed => "not a hash of bcrypt behind $2y$",
        BcryptFault::Cost => "a cost of bcrypt of 4 to 14 is allowed",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_strictly() {
        for (line, expected) in [
            ("ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", Ok(())),
            ("ann", Err("not a line")),
            ("", Err("not a line")),
            (":{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", Err("the name")),
            ("ann:secret", Err("only bcrypt")),
            ("ann:", Err("only bcrypt")),
            ("ann:{sha}5en6G6MezRroT3XKqkdPOmY/BfQ=", Err("only bcrypt")),
            ("ann:$2y$05$abcdefghijklmnopqrstuv", Err("not a hash of")),
            (
                "ann:$2y$31$6vXvEGqVq9pA8aZx1bPkUOnkS0wTNAhQnXyUDCOyc3NaqCWVqkKwu",
                Err("a cost of"),
            ),
            ("ann:$apr1$abc$abcdefghijklmnop", Err("only bcrypt")),
            ("ann:{SHA}", Err("not the base64")),
            ("ann:{SHA}5en6", Err("not the base64")),
            (
                "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ",
                Err("not the base64"),
            ),
            (
                "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=:x",
                Err("not the base64"),
            ),
        ] {
            let mut users = HtpasswdUsers::default();
            let outcome = users.add(line);
            match (outcome, expected) {
                (Ok(()), Ok(())) => {
                    let expected = StoredPassword::Sha1(PasswordDigest::of(b"secret"));
                    assert_eq!(users.by_name["ann"], expected);
                }
                (Err(message), Err(start)) => assert!(message.starts_with(start), "{line}"),
                (outcome, _) => panic!("{line}: {outcome:?}"),
            }
        }
    }

    #[test]
    fn files_have_comments_and_numbered_lines() {
        let good = "# users\n\nann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\r\n";
        let mut users = HtpasswdUsers::default();
        assert_eq!(users.add_file(good), Vec::<String>::new());
        assert_eq!(users.by_name.len(), 1);
        let wrong = users.add_file(&format!("{good}bob:$2y$x\n"));
        assert_eq!(
            wrong,
            [
                "line 3: another line has the same user",
                "line 4: not a hash of bcrypt behind $2y$"
            ]
        );
        assert_eq!(
            HtpasswdUsers::default().add_file("#\n"),
            ["there are no users"]
        );
    }
}
