//! The `egret` command: parses the arguments, wires the configuration files to the proxy, and returns the exit code.

// Printing panics when it fails; messages go through `console`.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod access_log;
mod args;
mod check;
mod clock;
mod console;
mod controller;
mod crds;
mod descriptors;
mod explain;
mod files;
mod import;
mod init;
mod learn;
mod manual;
mod metrics_push;
mod output;
mod policy;
mod process;
mod proxy;
mod reload;
mod replay;
mod serve;
mod top;

use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, CliCommand, hinted};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code after a panic, which is that of the standard library.
const PANICKED: u8 = 101;

/// The exit code is 0 on success and 1 on failure, such as a rejected configuration. On wrong usage, clap exits with 2.
fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let words: Vec<_> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let command = match Cli::try_parse() {
        Ok(Cli { command }) => command,
        Err(error) => hinted(error, &words).exit(),
    };
    if let Err(error) = console::start() {
        // There is no way to tell it but the one that may block.
        let _ = writeln!(io::stderr(), "a thread cannot be started: {error}");
        return ExitCode::FAILURE;
    }
    console::set_format(command.log_format());
    // A panic is told by the hook of the console, which must come to write it.
    let exit = catch_unwind(AssertUnwindSafe(|| match command {
        CliCommand::Serve(args) => serve::run(args),
        CliCommand::Proxy(args) => proxy::run(args),
        CliCommand::Check(args) => check::run(&args),
        CliCommand::Controller(args) => controller::run(args),
        CliCommand::Explain(args) => explain::run(&args),
        CliCommand::Learn(args) => learn::run(&args),
        CliCommand::Import(args) => import::run(&args),
        CliCommand::Replay(args) => replay::run(&args),
        CliCommand::Top(args) => top::run(&args),
        CliCommand::Init(args) => init::run(&args),
        CliCommand::Completions { shell } => manual::completions(shell),
        CliCommand::Man { folder } => manual::pages(folder.as_deref()),
        CliCommand::Crds(args) => crds::run(&args),
    }));
    console::finish();
    exit.unwrap_or_else(|_| ExitCode::from(PANICKED))
}
