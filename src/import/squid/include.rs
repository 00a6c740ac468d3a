//! The files that an `include` line names.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The longest beginning of a file's name in the name of a rule.
const MAX_NAME: usize = 40;

/// The files, in the order of their names; `*` and `?` stand for others in the name of a file. A folder that is not there is
/// looked for beside the configuration, by its name. `None` if there is neither.
pub(super) fn files(pattern: &str, config: &Path) -> Option<Vec<PathBuf>> {
    let pattern = Path::new(pattern);
    let name = pattern.file_name()?;
    let beside = config.parent().unwrap_or_else(|| Path::new(""));
    let folder = pattern.parent().unwrap_or_else(|| Path::new(""));
    let same_name = folder
        .file_name()
        .map_or_else(|| beside.to_owned(), |it| beside.join(it));
    let folders = [folder, &same_name, beside];
    if !has_wildcard(name) {
        let mut files = folders.iter().map(|folder| folder.join(name));
        return files.find(|file| file.is_file()).map(|file| vec![file]);
    }
    let entries = folders[..2]
        .iter()
        .find_map(|folder| fs::read_dir(folder).ok())?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> = names
        .filter(|path| path.is_file() && path.file_name().is_some_and(|it| fits(it, name)))
        .collect();
    files.sort();
    Some(files)
}

/// What a file is called in names of rules.
pub(super) fn name(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    name.chars().take(MAX_NAME).collect()
}

fn has_wildcard(name: &OsStr) -> bool {
    name.as_encoded_bytes()
        .iter()
        .any(|byte| b"*?".contains(byte))
}

/// Whether a name fits a pattern. Names that begin with a dot are passed over, as the shell does.
fn fits(name: &OsStr, pattern: &OsStr) -> bool {
    let (name, pattern) = (name.as_encoded_bytes(), pattern.as_encoded_bytes());
    let is_hidden = name.starts_with(b".") && !pattern.starts_with(b".");
    !is_hidden && matches(name, pattern)
}

fn matches(name: &[u8], pattern: &[u8]) -> bool {
    match (name, pattern) {
        ([], []) => true,
        (_, [b'*', rest @ ..]) => (0..=name.len()).any(|at| matches(&name[at..], rest)),
        ([_, name @ ..], [b'?', pattern @ ..]) => matches(name, pattern),
        ([one, name @ ..], [other, pattern @ ..]) => one == other && matches(name, pattern),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_patterns() {
        for (name, pattern, expected) in [
            ("debian.conf", "*.conf", true),
            ("debian.conf.bak", "*.conf", false),
            (".debian.conf", "*.conf", false),
            ("10-a.conf", "1?-*.conf", true),
            ("1-a.conf", "1?-*.conf", false),
            ("a", "a", true),
            ("", "*", true),
        ] {
            assert_eq!(
                fits(OsStr::new(name), OsStr::new(pattern)),
                expected,
                "{name} {pattern}"
            );
        }
    }
}
