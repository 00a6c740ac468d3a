//! The `egret` command: parses the arguments, wires the configuration files to the proxy, and returns the exit code.

mod args;
mod check;
mod descriptors;
mod files;
mod serve;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, CliCommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code is 0 on success and 1 on failure, such as a rejected configuration. On wrong usage, clap exits with 2.
fn main() -> ExitCode {
    match Cli::parse().command {
        CliCommand::Serve(args) => serve::run(args),
        CliCommand::Check(args) => check::run(&args),
    }
}
