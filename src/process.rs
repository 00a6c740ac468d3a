//! What every command that serves does: sets up logging and the control runtime, stops on signals, drains.

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use egret_proxy::{AdminToken, Proxy, ProxyOptions, QueueLimits};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::{ConfigMeaning, RunArgs};
use crate::console::{self, EventWriter, JsonEvents, LogFormat};
use crate::descriptors;
use crate::metrics_push;

/// Signals within this time after the first count as the same request to stop.
const SIGNAL_DEBOUNCE: Duration = Duration::from_secs(1);

pub(crate) type ServeError = Box<dyn std::error::Error>;

/// Runs a command on the control runtime, which is for its configuration, DNS queries and the admin server; requests are
/// served by the worker threads.
pub(crate) fn run<F: Future<Output = Result<(), ServeError>>>(
    level: LevelFilter,
    format: LogFormat,
    command: impl FnOnce() -> F,
) -> ExitCode {
    let events = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(EventWriter)
        .with_target(false)
        .with_ansi(console::is_coloured(&io::stderr()));
    // What a call to an API server failed with is told where it was made, once and in its context.
    let filter = Targets::new()
        .with_default(level)
        .with_target("kube_client", LevelFilter::OFF)
        .with_target("kube_runtime", LevelFilter::OFF);
    match format {
        LogFormat::Text => events.finish().with(filter).init(),
        LogFormat::Json => events.event_format(JsonEvents).finish().with(filter).init(),
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build();
    let outcome = runtime.map_err(Into::into).and_then(|runtime| {
        let outcome = runtime.block_on(command());
        // Does not wait for connections that were closed at the time limit.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There may be one for each file.
            error.to_string().lines().for_each(console::error);
            ExitCode::FAILURE
        }
    }
}

/// The options of the proxy; `descriptors` is the limit of open files.
pub(crate) fn proxy_options(
    meaning: &ConfigMeaning,
    run: &RunArgs,
    descriptors: Option<u64>,
) -> Result<ProxyOptions, ServeError> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let workers = run.workers.map_or_else(cores, usize::from);
    let defaults = ProxyOptions::default();
    let max_idle = descriptors.map(|limit| descriptors::max_idle_for(limit, workers));
    Ok(ProxyOptions {
        workers,
        max_idle: max_idle.unwrap_or(defaults.max_idle),
        admin: Some(meaning.admin),
        probes: run.probe_address,
        admin_token: admin_token(run)?,
        max_connections: match run.max_connections {
            Some(0) => None,
            Some(most) => Some(most),
            None => descriptors.map(descriptors::max_connections_for),
        },
        queue_limits: queue_limits(run.max_queue_time),
        access_log_file: run.access_log_file.clone(),
        state_dir: run.state_dir.clone(),
        top_destinations: usize::from(run.top_destinations),
        trace_propagation: run.trace_propagators,
        metrics_push: metrics_push::push_of(run)?,
        process: console::counters(),
        ..defaults
    })
}

/// How many requests make a queue of their own, rather than wait for a processor that others have.
const MANY_REQUESTS: u32 = 32;

/// What the queue of a worker may be like; zero is anything.
fn queue_limits(time: Duration) -> Option<QueueLimits> {
    let limits = QueueLimits {
        time,
        requests: MANY_REQUESTS,
    };
    (!time.is_zero()).then_some(limits)
}

/// The token of the admin server.
///
/// # Errors
/// If the file cannot be read, or there is no token in it.
fn admin_token(run: &RunArgs) -> Result<Option<AdminToken>, ServeError> {
    let Some(GivenText { place, text }) = token_text(run.admin_token.as_deref())? else {
        return Ok(None);
    };
    let token = AdminToken::new(&text);
    let token = token.ok_or_else(|| format!("{place}: a token is one word of visible ASCII"))?;
    Ok(Some(token))
}

/// What somebody gave in a file or in the environment, because it is nobody else's to see.
pub(crate) struct GivenText {
    /// The file, or the variable of the environment.
    pub(crate) place: String,
    pub(crate) text: String,
}

/// The text of the token of an admin server, from its file or from the environment.
///
/// # Errors
/// If the file cannot be read.
pub(crate) fn token_text(file: Option<&Path>) -> Result<Option<GivenText>, String> {
    match file {
        Some(path) => text_of_file(path).map(Some),
        None => Ok(text_of_variable("EGRET_ADMIN_TOKEN")),
    }
}

/// The text of a file.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn text_of_file(path: &Path) -> Result<GivenText, String> {
    let place = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => Ok(GivenText { place, text }),
        Err(error) => Err(format!("{place}: {error}")),
    }
}

/// The text of a variable of the environment, if it is set.
pub(crate) fn text_of_variable(name: &str) -> Option<GivenText> {
    let text = std::env::var_os(name)?;
    Some(GivenText {
        place: name.to_owned(),
        text: text.to_string_lossy().into_owned(),
    })
}

/// Stops as the arguments say: not ready for a while, then without new connections.
pub(crate) async fn stop(proxy: Proxy, run: &RunArgs, stop: &mut StopSignals) {
    if !run.shutdown_delay.is_zero() {
        proxy.announce_stop();
        tracing::info!("stopping in {:?}; not ready any more", run.shutdown_delay);
        tokio::select! {
            () = sleep(run.shutdown_delay) => {}
            () = stop.received_again() => {}
        }
    }
    drain(proxy, run, stop).await;
}

/// Drains after a worker has ended, whose share nobody but a restart gets back.
pub(crate) async fn stop_by_defect(
    proxy: Proxy,
    run: &RunArgs,
    stop: &mut StopSignals,
) -> ServeError {
    drain(proxy, run, stop).await;
    "a worker has ended by a defect".into()
}

async fn drain(proxy: Proxy, run: &RunArgs, stop: &mut StopSignals) {
    let limit = run.drain_timeout;
    tracing::info!("stopping; requests in progress have {limit:?} to finish");
    let cut_off = async {
        tokio::select! {
            () = sleep(limit) => {}
            () = stop.received_again() => tracing::warn!("asked again: stopping at once"),
        }
    };
    match proxy.drain_until(cut_off).await {
        0 => tracing::info!("all requests have finished"),
        cut_off => tracing::warn!("{cut_off} connections were closed before they had finished"),
    }
}

/// The signals that stop the process: SIGTERM and SIGINT.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Completes when a further request to stop arrives. Signals in the first moment are ignored, because one request often
    /// arrives as two signals, to the process and to its group.
    async fn received_again(&mut self) {
        let _ = timeout(SIGNAL_DEBOUNCE, std::future::pending::<()>()).await;
        while timeout(Duration::ZERO, self.received()).await.is_ok() {}
        self.received().await;
    }
}
