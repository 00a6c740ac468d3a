//! `egret serve`: runs the proxy, applies changes of the configuration files, and stops on signals.

use std::fs;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use egret_proxy::{AdminToken, Proxy, ProxyOptions, unless_panicking};
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};

use crate::args::ServeArgs;
use crate::console::{self, EventWriter, JsonEvents, LogFormat};
use crate::descriptors;
use crate::files::{ConfigFiles, FileWatcher};
use crate::reload::{Reloader, load};

/// Runs until a signal stops the process.
pub(crate) fn run(args: ServeArgs) -> ExitCode {
    let events = tracing_subscriber::fmt()
        .with_max_level(args.log_level)
        .with_writer(EventWriter)
        .with_target(false)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()));
    match args.sources.log_format {
        LogFormat::Text => events.init(),
        LogFormat::Json => events.event_format(JsonEvents).init(),
    }
    let descriptors = descriptors::raise();
    // This runtime is for files, DNS queries and the admin server; requests are served by the worker threads.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build();
    let outcome = runtime.map_err(Into::into).and_then(|runtime| {
        let outcome = runtime.block_on(serve(args, descriptors));
        // Does not wait for connections that were closed at the time limit.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::line(error);
            ExitCode::FAILURE
        }
    }
}

/// Signals within this time after the first count as the same request to stop.
const SIGNAL_DEBOUNCE: Duration = Duration::from_secs(1);

pub(crate) type ServeError = Box<dyn std::error::Error>;

async fn serve(args: ServeArgs, descriptors: Option<u64>) -> Result<(), ServeError> {
    let mut stop = StopSignals::new()?;
    let mut reread = signal(SignalKind::hangup())?;
    // Watching starts before the first read, so that no change is missed between the two.
    let mut watcher = FileWatcher::start(&args.sources.paths);
    let mut files = ConfigFiles::read(&args.sources.paths);
    let loaded = load(&files).map_err(|errors| errors.join("\n"))?;
    let proxy = Proxy::start(proxy_options(&args, descriptors)?, &Handle::current())?;
    let mut gateway = Reloader::start(proxy, loaded, args.sources.compile_options()).await?;
    gateway.tell_passed_over(&files);
    loop {
        let asked = tokio::select! {
            () = watcher.changed() => false,
            _ = reread.recv() => true,
            () = stop.received() => break,
            () = gateway.proxy().worker_ended() => {
                // Nobody but a restart gets back what the worker served.
                drain(gateway.into_proxy(), &args, &mut stop).await;
                return Err("a worker has ended by a defect".into());
            }
        };
        let now = ConfigFiles::read(&args.sources.paths);
        gateway.tell_passed_over(&now);
        if asked || !now.has_content_of(&files) {
            files = now;
            let reloaded = unless_panicking(gateway.reload(&files)).await;
            if reloaded.is_none() {
                tracing::error!("the change was not applied in full, because of a defect");
            }
        } else {
            gateway.rebind().await;
        }
    }
    if !args.shutdown_delay.is_zero() {
        gateway.proxy().announce_stop();
        tracing::info!("stopping in {:?}; not ready any more", args.shutdown_delay);
        tokio::select! {
            () = sleep(args.shutdown_delay) => {}
            () = stop.received_again() => {}
        }
    }
    drain(gateway.into_proxy(), &args, &mut stop).await;
    Ok(())
}

fn proxy_options(args: &ServeArgs, descriptors: Option<u64>) -> Result<ProxyOptions, ServeError> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    Ok(ProxyOptions {
        workers: args.workers.map_or_else(cores, usize::from),
        admin: Some(args.sources.admin),
        admin_token: admin_token(args)?,
        max_connections: match args.max_connections {
            Some(0) => None,
            Some(most) => Some(most),
            None => descriptors.map(descriptors::max_connections_for),
        },
        state_dir: args.state_dir.clone(),
        process: console::counters(),
        ..ProxyOptions::default()
    })
}

/// The token of the admin server, from its file or from the environment.
///
/// # Errors
/// If the file cannot be read, or there is no token in it.
fn admin_token(args: &ServeArgs) -> Result<Option<AdminToken>, ServeError> {
    const VARIABLE: &str = "EGRET_ADMIN_TOKEN";
    let (place, text) = if let Some(path) = &args.admin_token {
        let place = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| format!("{place}: {error}"))?;
        (place, text)
    } else if let Some(text) = std::env::var_os(VARIABLE) {
        (VARIABLE.to_owned(), text.to_string_lossy().into_owned())
    } else {
        return Ok(None);
    };
    let token = AdminToken::new(&text);
    let token = token.ok_or_else(|| format!("{place}: a token is one word of visible ASCII"))?;
    Ok(Some(token))
}

async fn drain(proxy: Proxy, args: &ServeArgs, stop: &mut StopSignals) {
    let limit = args.drain_timeout;
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
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn received(&mut self) {
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
