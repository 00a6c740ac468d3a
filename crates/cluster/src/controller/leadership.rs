//! Which of several controllers writes.

use kube::Client;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::lease::{LeaderLease, LeaseTimes};

/// The lease that makes a controller the leader.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// The namespace of the lease.
    pub namespace: String,
    /// The name of the lease.
    pub name: String,
    /// What no other controller is called.
    pub identity: String,
    /// How long it holds, and how often it is renewed.
    pub times: LeaseTimes,
}

/// Whether this controller leads. A task of its own holds the lease, so that no other work delays it.
pub(super) struct Leadership {
    leads: watch::Receiver<bool>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Leadership {
    pub(super) fn start(client: &Client, options: &LeaseOptions) -> Self {
        let place = (options.namespace.as_str(), options.name.as_str());
        let identity = options.identity.clone();
        let lease = LeaderLease::new(client.clone(), place, identity, options.times);
        let (sender, leads) = watch::channel(false);
        let (stop, stopped) = oneshot::channel();
        let task = Handle::current().spawn(hold(lease, sender, stopped));
        Self { leads, stop, task }
    }

    pub(super) fn is_leader(&self) -> bool {
        *self.leads.borrow()
    }

    /// Waits until it may be another who leads.
    pub(super) async fn changed(&mut self) {
        if self.leads.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until this controller does not lead.
    pub(super) async fn lost(&self) {
        let mut leads = self.leads.clone();
        // A lease whose task has ended is lost.
        let _ = leads.wait_for(|leads| !leads).await;
    }

    /// Gives the lease up, so that another controller need not wait.
    pub(super) async fn release(self) {
        let Self {
            leads: _,
            stop,
            task,
        } = self;
        let _ = stop.send(());
        if let Err(defect) = task.await {
            tracing::error!("the lease was not given up, because of a defect: {defect}");
        }
    }
}

async fn hold(
    mut lease: LeaderLease,
    leads: watch::Sender<bool>,
    mut stopped: oneshot::Receiver<()>,
) {
    loop {
        tokio::select! {
            () = lease.acquired() => {}
            _ = &mut stopped => break,
        }
        tracing::info!("this controller leads");
        leads.send_replace(true);
        let is_stopped = tokio::select! {
            () = lease.lost() => false,
            _ = &mut stopped => true,
        };
        leads.send_replace(false);
        if is_stopped {
            break;
        }
        tracing::warn!("the lease is lost; another controller may lead");
    }
    lease.release().await;
}
