//! `egret serve`: runs the proxy, applies changes of the configuration files, and stops on signals.

use std::process::ExitCode;

use egret_config::compile::GatewayPlacement;
use egret_config::load::ConfigLoader;
use egret_proxy::{Proxy, unless_panicking};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::ServeArgs;
use crate::descriptors;
use crate::files::{ConfigFiles, FileWatcher};
use crate::process::{self, ServeError, StopSignals, proxy_options, stop_by_defect};
use crate::reload::{Reloader, load};

/// Runs until a signal stops the process.
pub(crate) fn run(args: ServeArgs) -> ExitCode {
    let (level, format) = (args.run.log_level, args.sources.meaning.log_format);
    process::run(level, format, || serve(args, descriptors::raise()))
}

async fn serve(args: ServeArgs, descriptors: Option<u64>) -> Result<(), ServeError> {
    let mut stop = StopSignals::new()?;
    let mut reread = signal(SignalKind::hangup())?;
    // Watching starts before the first read, so that no change is missed between the two.
    let mut watcher = FileWatcher::start(&args.sources.paths);
    let mut files = ConfigFiles::read(&args.sources.paths);
    let mut loader = ConfigLoader::default();
    let loaded = load(&files, &mut loader).map_err(|errors| errors.join("\n"))?;
    let ServeArgs { sources, run } = &args;
    let options = proxy_options(&sources.meaning, run, descriptors)?;
    let proxy = Proxy::start(options, &Handle::current())?;
    let compile = sources
        .meaning
        .compile_options(GatewayPlacement::Shared, run.probe_address);
    let mut gateway = Reloader::start(proxy, loaded, compile).await?;
    gateway.tell_passed_over(&files);
    watcher.look_at(gateway.local_files().paths());
    loop {
        let asked = tokio::select! {
            () = watcher.changed() => false,
            _ = reread.recv() => {
                gateway.proxy().reopen_logs();
                true
            }
            () = stop.received() => break,
            () = gateway.proxy().worker_ended() => {
                return Err(stop_by_defect(gateway.into_proxy(), run, &mut stop).await);
            }
        };
        let now = ConfigFiles::read(&args.sources.paths);
        gateway.tell_passed_over(&now);
        if asked || !now.has_content_of(&files) || gateway.local_files().have_changed() {
            files = now;
            let reloaded = unless_panicking(gateway.reload(&files, &mut loader)).await;
            if reloaded.is_none() {
                tracing::error!("the change was not applied in full, because of a defect");
            }
            watcher.look_at(gateway.local_files().paths());
        } else {
            gateway.rebind().await;
        }
    }
    process::stop(gateway.into_proxy(), run, &mut stop).await;
    Ok(())
}
