//! `egret serve`: the proxy, and the files that tell it what to serve.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use egret_config::compile::{Compiled, Options, compile};
use egret_proxy::{Proxy, ProxyOptions};
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::args::Serve;
use crate::descriptors;
use crate::files::{Files, Watcher};

/// Runs until told to stop.
pub(crate) fn run(args: Serve) -> ExitCode {
    tracing_subscriber::fmt()
        .with_max_level(args.log_level)
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .init();
    let descriptors = descriptors::raise();
    // Files, DNS queries and the admin address; requests have threads of their own.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build();
    let outcome = runtime.map_err(Into::into).and_then(|runtime| {
        let outcome = runtime.block_on(serve(args, descriptors));
        // Does not wait for what was cut off.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Signals within this time are one request to stop.
const ONE_REQUEST: Duration = Duration::from_secs(1);

type Error = Box<dyn std::error::Error>;

async fn serve(args: Serve, descriptors: Option<u64>) -> Result<(), Error> {
    let mut stop = Stop::new()?;
    let mut reread = signal(SignalKind::hangup())?;
    // Before the first read, so that no change falls between the two.
    let mut watcher = Watcher::start(&args.sources.paths);
    let mut files = Files::read(&args.sources.paths);
    let options = Options {
        controller_name: args.sources.controller_name.clone(),
    };
    let compiled = compiled(&files, &options).map_err(|errors| errors.join("\n"))?;

    let mut proxy = Proxy::start(proxy_options(&args, descriptors), &Handle::current())?;
    if let Some(error) = tell(proxy.apply(compiled).await).into_iter().next() {
        return Err(error.into());
    }
    tell_addresses(&proxy);
    loop {
        let asked = tokio::select! {
            () = watcher.changed() => false,
            _ = reread.recv() => true,
            () = stop.asked() => break,
        };
        let now = Files::read(&args.sources.paths);
        if asked || now != files {
            files = now;
            reload(&mut proxy, &files, &options).await;
        } else if proxy.has_unbound_listeners() && proxy.rebind().await.is_empty() {
            tell_addresses(&proxy);
        }
    }
    drain(proxy, args.drain_timeout, &mut stop).await;
    Ok(())
}

fn proxy_options(args: &Serve, descriptors: Option<u64>) -> ProxyOptions {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    ProxyOptions {
        workers: args.workers.map_or_else(cores, usize::from),
        admin: Some(args.admin),
        max_connections: match args.max_connections {
            Some(0) => None,
            Some(most) => Some(most),
            None => descriptors.map(descriptors::enough_for),
        },
        state_dir: args.state_dir.clone(),
        ..ProxyOptions::default()
    }
}

/// Takes the new configuration, or keeps the last good one and says why.
async fn reload(proxy: &mut Proxy, files: &Files, options: &Options) {
    match compiled(files, options) {
        Ok(compiled) => {
            tell(proxy.apply(compiled).await);
            tracing::info!(
                generation = proxy.generation(),
                "the configuration was read"
            );
            warn_if_idle(proxy);
        }
        Err(errors) => {
            // In /report before it is on stderr: who reads the one may then ask for the other.
            proxy.reject(errors.clone());
            errors.iter().for_each(|error| eprintln!("{error}"));
            tracing::error!("the configuration is refused, the last good one stays");
        }
    }
}

/// Compiles the files, unless one of them cannot be read or understood: then nothing of them is taken.
fn compiled(files: &Files, options: &Options) -> Result<Compiled, Vec<String>> {
    let (loaded, unreadable) = files.load();
    let errors: Vec<_> = unreadable
        .iter()
        .cloned()
        .chain(loaded.errors.iter().map(ToString::to_string))
        .collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut compiled = compile(&loaded.resources, options);
    let report = &mut compiled.report;
    report.warnings.splice(0..0, loaded.warnings);
    for problem in report.warnings.iter().chain(&report.problems) {
        eprintln!("{problem}");
    }
    Ok(compiled)
}

fn tell(errors: Vec<egret_proxy::BindError>) -> Vec<egret_proxy::BindError> {
    errors.iter().for_each(|error| tracing::error!("{error}"));
    errors
}

fn tell_addresses(proxy: &Proxy) {
    for (bind, address) in proxy.addresses() {
        tracing::info!(port = bind.port.get(), "listening on {address}");
    }
    warn_if_idle(proxy);
    if let Some(admin) = proxy.admin_address() {
        tracing::info!("health, metrics and report are on http://{admin}/");
    }
}

fn warn_if_idle(proxy: &Proxy) {
    if proxy.addresses().is_empty() {
        tracing::warn!(
            "there is no listener to serve: is there a Gateway of class egret or kgateway?"
        );
    }
}

async fn drain(proxy: Proxy, limit: Duration, stop: &mut Stop) {
    tracing::info!("stopping; requests in progress have {limit:?} to finish");
    tokio::select! {
        cut_off = proxy.drain(limit) => match cut_off {
            0 => tracing::info!("every request has finished"),
            cut_off => tracing::warn!("{cut_off} connections are cut off"),
        },
        () = stop.asked_again() => tracing::warn!("asked again: stopping at once"),
    }
}

/// SIGTERM and SIGINT.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Not in the first moment: one request to stop often comes as two signals, to the process and to its group.
    async fn asked_again(&mut self) {
        let _ = timeout(ONE_REQUEST, std::future::pending::<()>()).await;
        while timeout(Duration::ZERO, self.asked()).await.is_ok() {}
        self.asked().await;
    }
}
