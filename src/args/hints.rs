//! Hints for people who know the command lines of other proxies.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Commands that others have, and what does the same here.
const COMMANDS: [(&[&str], &str); 7] = [
    (
        &["run", "start", "up", "server", "listen"],
        "'egret serve PATH...' serves what is in files and folders",
    ),
    (
        &["validate", "lint", "verify", "test", "parse"],
        "'egret check PATH...' says what is wrong with files and folders",
    ),
    (&["version"], "'egret --version' prints the version"),
    (
        &["diff"],
        "'egret replay PATH... --log LOG' lists what a change would decide differently",
    ),
    (
        &["convert", "migrate", "translate"],
        "'egret import FILE' prints the policy that the rules of Squid or Smokescreen are",
    ),
    (
        &["trace", "why"],
        "'egret explain PATH... --url URL' says what would become of a request",
    ),
    (
        &["reload", "reconfigure", "apply"],
        "changes of the files are served by themselves, and after SIGHUP",
    ),
];

/// Flags that others have.
const FLAGS: [(&[&str], &str); 6] = [
    (
        &[
            "-c",
            "-f",
            "--config",
            "--config-file",
            "--config-path",
            "--file",
            "--filename",
        ],
        "files and folders come without a flag: 'egret serve PATH...', 'egret check PATH...'",
    ),
    (
        &[
            "-p",
            "--port",
            "--listen",
            "--listen-port",
            "--bind",
            "--address",
        ],
        "where clients connect is said by the Gateway in the files: 'listeners' and 'addresses'; 'egret init --port' writes \
         one",
    ),
    (
        &["-v", "--verbose", "--debug", "-d"],
        "'--log-level debug' tells more, for commands that serve",
    ),
    (&["-V", "--version"], "'egret --version' prints the version"),
    (
        &["--gateway"],
        "the Gateway is a target here: '--target Gateway/NAMESPACE/NAME'",
    ),
    (
        &["--egress-acl-file", "--deny-range", "--allow-range"],
        "'egret import FILE' prints the policy that access lists of Smokescreen are",
    ),
];

const URL: &str = "the URL is told by a flag: '--url https://example.com/'";

/// The error with a hint, if these words, without the name of the program, are those of another proxy.
pub(crate) fn hinted(mut error: clap::Error, words: &[String]) -> clap::Error {
    let hint = match error.kind() {
        ErrorKind::InvalidSubcommand => told(&error, ContextKind::InvalidSubcommand, &COMMANDS),
        ErrorKind::UnknownArgument => told(&error, ContextKind::InvalidArg, &FLAGS),
        ErrorKind::MissingRequiredArgument => is_question(words).then_some(URL),
        _ => None,
    };
    if let Some(hint) = hint {
        // What is near in letters is not what was meant.
        for kind in [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg] {
            error.remove(kind);
        }
        let hint = ContextValue::StyledStrs(vec![hint.into()]);
        error.insert(ContextKind::Suggested, hint);
    }
    error
}

fn told(
    error: &clap::Error,
    kind: ContextKind,
    known: &[(&[&str], &'static str)],
) -> Option<&'static str> {
    let Some(ContextValue::String(word)) = error.get(kind) else {
        return None;
    };
    let mut known = known.iter();
    let found = known.find(|(words, _)| words.contains(&&**word));
    found.map(|(_, hint)| *hint)
}

/// Whether somebody asks about a URL without its flag.
fn is_question(words: &[String]) -> bool {
    let is_url = |word: &String| word.contains("://");
    words.first().is_some_and(|command| command == "explain") && words.iter().any(is_url)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Cli;

    fn told(words: &str) -> String {
        let words: Vec<_> = words.split(' ').map(str::to_owned).collect();
        let given = std::iter::once("egret".to_owned()).chain(words.iter().cloned());
        let error = Cli::try_parse_from(given).unwrap_err();
        hinted(error, &words).to_string()
    }

    #[test]
    fn words_of_other_proxies_are_answered() {
        for (words, hint) in [
            ("run edge", "'egret serve PATH...'"),
            ("validate edge", "'egret check PATH...'"),
            ("version", "'egret --version'"),
            ("reload", "served by themselves"),
            (
                "serve edge --egress-acl-file acl.yaml",
                "'egret import FILE'",
            ),
            ("serve -c edge", "without a flag"),
            ("serve --config edge", "without a flag"),
            ("serve edge --port 8080", "'egret init --port'"),
            ("-v", "'--log-level debug'"),
            ("check --version", "'egret --version'"),
            (
                "explain edge https://example.com",
                "'--url https://example.com/'",
            ),
            (
                "learn access.log --gateway edge/out",
                "'--target Gateway/NAMESPACE/NAME'",
            ),
        ] {
            let told = told(words);
            assert!(
                told.contains("tip: ") && told.contains(hint),
                "{words}: {told}"
            );
            assert_eq!(told.matches("tip: ").count(), 1, "{words}: {told}");
        }
    }

    #[test]
    fn other_mistakes_are_answered_as_ever() {
        for (words, expected) in [
            ("explane", "'explain'"),
            ("check edge --outptu json", "'--output'"),
            ("explain edge", "--url <URL>"),
        ] {
            assert!(told(words).contains(expected), "{words}");
        }
    }
}
