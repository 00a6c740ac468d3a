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
    Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
