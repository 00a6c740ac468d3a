//! `egret completions` and `egret man`: what shells and `man` know about the command line, made of its definition.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::Cli;
use crate::output::{self, Answer};

#[cfg(test)]
mod reference;

/// Prints the completions for a shell.
pub(crate) fn completions(shell: Shell) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "egret", &mut text);
    output::answer(Ok(Answer::from(
        String::from_utf8_lossy(&text).into_owned(),
    )))
}

/// Prints the page of the program, or writes the pages of the program and of all its commands into a folder.
pub(crate) fn pages(folder: Option<&Path>) -> ExitCode {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let pages = match folder {
        None => page(&command),
        Some(folder) => write_pages(&command, folder).map(|()| String::new()),
    };
    output::answer(pages.map(Answer::from).map_err(|error| error.to_string()))
}

fn write_pages(command: &Command, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for command in std::iter::once(command).chain(command.get_subcommands()) {
        let name = command
            .get_display_name()
            .unwrap_or_else(|| command.get_name());
        fs::write(folder.join(format!("{name}.1")), page(command)?)?;
    }
    Ok(())
}

fn page(command: &Command) -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(command.clone())
        .source(concat!("egret ", env!("CARGO_PKG_VERSION")))
        .manual("Egret")
        .render(&mut page)?;
    Ok(with_examples(&String::from_utf8_lossy(&page)))
}

/// What comes after the help of a command are examples, whose lines are not filled.
fn with_examples(page: &str) -> String {
    let mut told = String::with_capacity(page.len());
    let mut was_command = false;
    for line in page.lines() {
        let is_command = line.starts_with("  ");
        if is_command != was_command {
            told += if is_command { ".nf\n" } else { ".fi\n" };
        }
        was_command = is_command;
        match line {
            ".SH EXTRA" => told += ".SH EXAMPLES\n",
            "Example:" | "Examples:" => {}
            line => {
                told += line;
                told.push('\n');
            }
        }
    }
    if was_command {
        told += ".fi\n";
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_of_a_page_stay_as_they_are() {
        let page =
            ".SH OPTIONS\nPrint help\n.SH EXTRA\nExamples:\n  egret a\n  egret b\n\nKeys: q\n";
        let expected =
            ".SH OPTIONS\nPrint help\n.SH EXAMPLES\n.nf\n  egret a\n  egret b\n.fi\n\nKeys: q\n";
        assert_eq!(with_examples(page), expected);
        let ending = with_examples(".SH EXTRA\nExample:\n  egret a");
        assert_eq!(ending, ".SH EXAMPLES\n.nf\n  egret a\n.fi\n");
    }
}
