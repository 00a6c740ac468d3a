//! `egret proxy`: serves one Gateway of a cluster, and applies changes of the objects that it depends on.

use std::process::ExitCode;
use std::time::Duration;

use egret_cluster::{ClusterObjects, ClusterReader, ConnectionState, ReadScope, connect};
use egret_config::compile::GatewayPlacement;
use egret_config::report::ReportProblem;
use egret_config::resources::{ObjectRef, Resources, SourceLocation};
use egret_proxy::{Proxy, SourceState, unless_panicking};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::args::ProxyArgs;
use crate::descriptors;
use crate::files::FileWatcher;
use crate::process::{self, ServeError, StopSignals, proxy_options, stop_by_defect};
use crate::reload::{LoadFindings, Reloader};

/// The time between two attempts to bind what could not be bound.
const REBIND: Duration = Duration::from_secs(2);

/// Runs until a signal stops the process.
pub(crate) fn run(args: ProxyArgs) -> ExitCode {
    let (level, format) = (args.run.log_level, args.meaning.log_format);
    process::run(level, format, || serve(args, descriptors::raise()))
}

async fn serve(args: ProxyArgs, descriptors: Option<u64>) -> Result<(), ServeError> {
    let ProxyArgs {
        gateway,
        cluster,
        meaning,
        run,
    } = &args;
    let mut stop = StopSignals::new()?;
    let mut reopen = signal(SignalKind::hangup())?;
    let options = meaning.compile_options(GatewayPlacement::Apart, run.probe_address);
    let client = connect(cluster.kubeconfig.as_deref()).await?;
    let proxy = Proxy::start(
        proxy_options(meaning, run, descriptors)?,
        &Handle::current(),
    )?;
    if let Some(admin) = proxy.admin_address() {
        tracing::info!("waiting for {gateway}; admin server on http://{admin}/");
    }
    let scope = ReadScope::Gateway(gateway.clone());
    let mut reader = ClusterReader::start(client, scope, options.clone(), &Handle::current());
    let mut connection = reader.connection();
    let mut served = Reloader::waiting(proxy, options);
    let mut files = FileWatcher::start(&[]);
    let mut known = None;
    loop {
        tokio::select! {
            objects = reader.changed() => {
                renew(&mut served, gateway, &objects).await;
                files.look_at(served.local_files().paths());
                known = Some(objects);
            }
            () = files.changed(), if !served.local_files().paths().is_empty() => {
                if let Some(objects) = known.as_ref().filter(|_| served.local_files().have_changed()) {
                    renew(&mut served, gateway, objects).await;
                }
            }
            Ok(()) = connection.changed() => {
                let state = connection.borrow_and_update().clone();
                served.proxy().has_source(source(state));
            }
            _ = reopen.recv() => served.proxy().reopen_logs(),
            () = sleep(REBIND), if served.proxy().has_unbound_listeners() => {
                served.rebind().await;
            }
            () = stop.received() => break,
            () = served.proxy().worker_ended() => {
                return Err(stop_by_defect(served.into_proxy(), run, &mut stop).await);
            }
        }
    }
    // What changes from now on is for other pods.
    drop(reader);
    process::stop(served.into_proxy(), run, &mut stop).await;
    Ok(())
}

/// Serves the objects, with the files that they name.
async fn renew(served: &mut Reloader, gateway: &ObjectRef, objects: &ClusterObjects) {
    let (resources, findings) = read(gateway, objects);
    let applied = unless_panicking(served.renew(resources, findings)).await;
    if applied.is_none() {
        tracing::error!("the change was not applied in full, because of a defect");
    }
}

/// The objects to serve, and what is wrong with the others.
fn read(gateway: &ObjectRef, objects: &ClusterObjects) -> (Resources, LoadFindings) {
    let resources = objects.resources().clone();
    let mut problems = objects.problems().to_vec();
    if !resources.gateways.contains_key(gateway) {
        let message = "it is not in the cluster, so that nothing is served";
        problems.push(ReportProblem::new(
            gateway,
            &SourceLocation::default(),
            "",
            message,
        ));
    }
    let findings = LoadFindings {
        problems,
        ..LoadFindings::default()
    };
    (resources, findings)
}

fn source(state: ConnectionState) -> SourceState {
    match state {
        ConnectionState::Unknown => {
            SourceState::Away("the API server has not answered yet".to_owned())
        }
        ConnectionState::Connected => SourceState::Connected,
        ConnectionState::Away(why) => SourceState::Away(why),
    }
}
