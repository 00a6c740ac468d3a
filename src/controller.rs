//! `egret controller`: makes what Gateways become in a cluster, and writes the statuses of all objects.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use egret_cluster::controller::{self, ControllerOptions, ControllerState, LeaseOptions};
use egret_cluster::provision::ProvisionSettings;
use egret_cluster::{ClusterAccess, LeaseTimes};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::args::ControllerArgs;
use crate::clock;
use crate::process::{self, ServeError, StopSignals};

mod probes;

/// The name of the lease by which several controllers agree on which of them writes.
const LEASE: &str = "egret-controller";

/// Runs until a signal stops the process.
pub(crate) fn run(args: ControllerArgs) -> ExitCode {
    let (level, format) = (args.log_level, args.log_format);
    process::run(level, format, || serve(args))
}

async fn serve(args: ControllerArgs) -> Result<(), ServeError> {
    let mut stop = StopSignals::new()?;
    let access = ClusterAccess::find(args.cluster.kubeconfig.as_deref()).await?;
    let state = Arc::new(ControllerState::default());
    let probes = bind(args.probe_address).await?;
    Handle::current().spawn(probes::serve(probes, state.clone()));
    let options = ControllerOptions {
        provision: ProvisionSettings {
            controller_name: args.gateways.controller_name,
            image: args.image,
            require_egress_policy: args.gateways.require_egress_policy,
            version: env!("CARGO_PKG_VERSION"),
        },
        lease: LeaseOptions {
            namespace: args.namespace,
            name: LEASE.to_owned(),
            identity: identity(args.identity),
            times: LeaseTimes::default(),
        },
        unix_time: clock::unix_time,
    };
    let stopped = async {
        stop.received().await;
        tracing::info!("stopping");
    };
    Ok(controller::run(&access, options, state, stopped).await?)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| format!("{address}: {error}"))?;
    tracing::info!("probes on http://{}/", listener.local_addr()?);
    Ok(listener)
}

/// The name of the pod, or what only this process has.
fn identity(given: Option<String>) -> String {
    given.unwrap_or_else(|| {
        let host = nix::unistd::gethostname().ok();
        let host = host.and_then(|host| host.into_string().ok());
        let host = host.unwrap_or_else(|| "egret".to_owned());
        format!("{host}-{}", std::process::id())
    })
}
