//! The controller: reads the cluster, compiles what it reads, makes what Gateways become, and writes what became of
//! everything. Of several controllers, the one that leads writes; the others know as much and are ready to lead.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use egret_config::compile::{CompileOptions, CompiledConfig, FileAccess, GatewayPlacement};
use egret_config::in_force::InForce;
use egret_config::references::ReferenceFinder;
use egret_config::resources::Resources;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};

use crate::client::{ClusterAccess, ConnectError};
use crate::clock;
use crate::connection::ConnectionState;
use crate::provision::{Children, LiveObjects, ProvisionSettings, ProvisionWriter, RESERVED_PORTS};
use crate::reader::{ClusterObjects, ClusterReader, ReadScope};
use crate::status::{GatewayAddresses, StatusWriter};

mod access;
mod leadership;
mod plan;
mod state;

pub use leadership::LeaseOptions;
pub use state::ControllerState;

use access::AccessIndex;
use leadership::Leadership;
use plan::ControllerPlan;

/// How long changes may collect before they are looked at. A write shows in several watches at once.
const SETTLE: Duration = Duration::from_millis(50);

/// What a controller is told at its start.
#[derive(Clone, Debug)]
pub struct ControllerOptions {
    /// What its Gateways become.
    pub provision: ProvisionSettings,
    /// The lease that makes it the leader.
    pub lease: LeaseOptions,
    /// The time in seconds of Unix time.
    pub unix_time: fn() -> i64,
}

/// Why a controller cannot run.
#[derive(Debug, Error)]
pub enum ControllerError {
    /// There is no client of the API server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is no thread for the lease.
    #[error("the thread of the lease cannot be started: {0}")]
    Thread(io::Error),
    /// The thread of the lease has ended.
    #[error("the lease is held no more, because of a defect")]
    LeaseEnded,
}

/// A configuration, and what its Gateways are to become.
struct Configuration {
    objects: Arc<ClusterObjects>,
    in_force: InForce,
    compiled: CompiledConfig,
    plan: ControllerPlan,
}

/// What one controller works with.
struct Controller {
    options: ControllerOptions,
    state: Arc<ControllerState>,
    configuration: Option<Configuration>,
    references: Arc<Mutex<ReferenceFinder>>,
    provision: ProvisionWriter,
    statuses: StatusWriter,
    began: Instant,
}

/// Runs until it is stopped. `state` tells how it goes.
///
/// # Errors
/// If it cannot begin, or the lease is held no more.
pub async fn run(
    access: &ClusterAccess,
    options: ControllerOptions,
    state: Arc<ControllerState>,
    stop: impl Future<Output = ()>,
) -> Result<(), ControllerError> {
    let client = access.client()?;
    let handle = Handle::current();
    let compile_options = options.compile_options();
    let reader = ClusterReader::start(client.clone(), ReadScope::All, compile_options, &handle);
    let mut connection = reader.connection();
    let mut objects = follow(reader, &handle);
    let mut children = Children::start(&client, &connection);
    let mut leadership = Leadership::start(access, &options.lease).await?;
    let name = options.provision.controller_name.clone();
    let mut controller = Controller {
        state,
        configuration: None,
        references: Arc::default(),
        provision: ProvisionWriter::new(client.clone(), name.clone()),
        statuses: StatusWriter::new(client, name),
        began: clock::now(),
        options,
    };
    let mut retry_at = None;
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            Ok(()) = objects.changed() => {
                let read = objects.borrow_and_update().clone();
                controller.configure(read).await;
            }
            () = children.changed() => {}
            leads = leadership.changed() => controller.leads(leads?),
            Ok(()) = connection.changed() => {
                controller.connected(connection.borrow_and_update().clone());
            }
            () = due(retry_at) => {}
            () = &mut stop => break,
        }
        // Each of what is missing begins a pass when it comes, so that no retry is lost here.
        retry_at = None;
        if !leadership.is_leader() {
            continue;
        }
        sleep(SETTLE).await;
        let Some(live) = children.live() else {
            continue;
        };
        // A leader that is one no more ends its work where it is: what is left is the next one's.
        let pass = tokio::select! {
            retry_in = controller.pass(&live) => Some(retry_in),
            () = leadership.lost() => None,
            () = &mut stop => break,
        };
        retry_at = pass.flatten().map(|after| clock::now() + after);
    }
    leadership.release().await;
    Ok(())
}

impl ControllerOptions {
    /// The options of a compilation that begins now.
    fn compile_options(&self) -> CompileOptions {
        CompileOptions {
            controller_name: self.provision.controller_name.clone(),
            placement: GatewayPlacement::Apart,
            reserved: RESERVED_PORTS
                .map(|port| SocketAddr::from(([0, 0, 0, 0], port)))
                .into(),
            require_egress_policy: self.provision.require_egress_policy,
            now: Some((self.unix_time)()),
            files: FileAccess::Elsewhere,
        }
    }
}

/// Follows what is read in a task of its own. In the loop, the reader would wait anew for quiet whenever anything else
/// happens, and never tell a change where something always does.
fn follow(mut reader: ClusterReader, runtime: &Handle) -> watch::Receiver<Arc<ClusterObjects>> {
    let (sender, objects) = watch::channel(Arc::default());
    runtime.spawn(async move {
        loop {
            let read = tokio::select! {
                read = reader.changed() => read,
                () = sender.closed() => return,
            };
            sender.send_replace(read);
        }
    });
    objects
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Controller {
    /// This controller leads now, or does not any more.
    fn leads(&mut self, leads: bool) {
        self.state.set_leader(leads);
        self.begin_anew();
    }

    /// The API server answers now, or does not any more.
    fn connected(&mut self, connection: ConnectionState) {
        self.state.set_connection(connection);
        self.begin_anew();
    }

    /// Tries at once what has failed, because the reason may be gone.
    fn begin_anew(&mut self) {
        self.provision.begin_anew();
        self.statuses.begin_anew();
    }

    /// Compiles what was read. It is not done on this thread, because the lease is renewed meanwhile.
    async fn configure(&mut self, objects: Arc<ClusterObjects>) {
        let options = self.options.compile_options();
        let settings = self.options.provision.clone();
        let before = self.configuration.as_ref().map(|it| it.in_force.clone());
        let resources = objects.resources().clone();
        let references = self.references.clone();
        let compiled = spawn_blocking(move || {
            let mut references = references.lock().unwrap_or_else(PoisonError::into_inner);
            compile(
                before.as_ref(),
                resources,
                (&options, &settings),
                &mut references,
            )
        });
        match compiled.await {
            Ok(Ok((in_force, compiled, plan))) => {
                self.state.configured();
                self.configuration = Some(Configuration {
                    objects,
                    in_force,
                    compiled,
                    plan,
                });
            }
            Ok(Err(problems)) => {
                for problem in problems {
                    tracing::error!("{problem}");
                }
            }
            Err(defect) => {
                tracing::error!("the change was not compiled, because of a defect: {defect}")
            }
        }
    }

    /// Writes what differs. Returns after how long another pass is worth the while, although nothing may have changed.
    async fn pass(&mut self, live: &LiveObjects) -> Option<Duration> {
        let Configuration {
            objects,
            in_force,
            compiled,
            plan,
        } = self.configuration.as_ref()?;
        let at = clock::now() - self.began;
        let provisioned = self.provision.write(&plan.gateways, live, at).await;
        let provision = &self.provision;
        let states = plan.states(in_force.served(), live, |planned| {
            provision.fault(planned.objects.as_deref().unwrap_or_default())
        });
        let gateways: GatewayAddresses = states.into_iter().collect();
        let written = self
            .statuses
            .write(objects, &compiled.report, &gateways)
            .await;
        self.state.wrote(self.provision.counts(), &written);
        let after = [provisioned.retry_in, written.retry_in];
        after.into_iter().flatten().min()
    }
}

type Compiled = (InForce, CompiledConfig, ControllerPlan);

fn compile(
    before: Option<&InForce>,
    resources: Resources,
    (options, settings): (&CompileOptions, &ProvisionSettings),
    references: &mut ReferenceFinder,
) -> Result<Compiled, Vec<egret_config::report::ReportProblem>> {
    let (in_force, compiled) = match before {
        None => InForce::start(resources, options),
        Some(before) => match before.change(resources, options) {
            Ok(change) => (change.in_force, change.compiled),
            Err(refused) => return Err(refused.0),
        },
    };
    let served = in_force.served();
    let references = references.secrets(served, options);
    let access = AccessIndex::of(&references, served, &compiled);
    let plan = ControllerPlan::of(served, &compiled, settings, |gateway| {
        access.needed(gateway)
    });
    Ok((in_force, compiled, plan))
}

#[cfg(test)]
mod tests;
