//! The `egret` command: arguments in, wiring, exit code out.

mod args;
mod check;
mod descriptors;
mod files;
mod serve;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 0 is fine, 1 is a configuration that was refused; clap exits with 2 on bad usage.
fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Check(args) => check::run(&args),
    }
}
