//! The command line. Every flag can also be given as an environment variable, `EGRET_<FLAG>`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing::level_filters::LevelFilter;

/// An egress gateway: decides where workloads may go, resolves, connects, forwards, and tells what happened.
#[derive(Debug, Parser)]
#[command(name = "egret", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve every Gateway found in the files and folders, and follow their changes
    Serve(Serve),
    /// Compile the files and folders and print what would be served; exit 1 if anything is not accepted
    Check(Check),
}

/// What `serve` and `check` read.
#[derive(Debug, Args)]
pub(crate) struct Sources {
    /// YAML or JSON files, and folders of them
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// The controllerName whose GatewayClasses are served
    #[arg(long, env = "EGRET_CONTROLLER_NAME", default_value = egret_config::compile::CONTROLLER_NAME)]
    pub(crate) controller_name: String,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// Where health, metrics, report and the like are served
    #[arg(
        long,
        env = "EGRET_ADMIN",
        default_value = "127.0.0.1:19000",
        value_name = "ADDRESS"
    )]
    pub(crate) admin: SocketAddr,
    /// Threads that serve requests [default: one for each core]
    #[arg(long, env = "EGRET_WORKERS", value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "N")]
    pub(crate) workers: Option<u16>,
    /// Connections from clients that each listener may have; 0 is no limit [default: three eighths of the descriptors that
    /// may be open]
    #[arg(long, env = "EGRET_MAX_CONNECTIONS", value_name = "N")]
    pub(crate) max_connections: Option<usize>,
    /// A folder that keeps what the DNS caches know across restarts [default: nothing is kept]
    #[arg(long, env = "EGRET_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// How long requests in progress may take to finish after SIGTERM or SIGINT
    #[arg(long, env = "EGRET_DRAIN_TIMEOUT", default_value = "30s", value_parser = duration, value_name = "DURATION")]
    pub(crate) drain_timeout: Duration,
    /// How much is told on stderr: off, error, warn, info, debug or trace
    #[arg(
        long,
        env = "EGRET_LOG_LEVEL",
        default_value = "info",
        value_name = "LEVEL"
    )]
    pub(crate) log_level: LevelFilter,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) sources: Sources,
    /// How the report is printed
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Table,
    /// For programs
    Json,
    /// For both
    Yaml,
}

/// A duration as the resources write it, such as `1m30s` (GEP-2257).
fn duration(text: &str) -> Result<Duration, String> {
    egret_config::api::duration::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_those_of_the_resources() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("30").is_err());
    }
}
