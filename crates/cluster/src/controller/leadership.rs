//! Which of several controllers writes.

use std::thread;

use kube::Client;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

use super::ControllerError;
use crate::client::ClusterAccess;
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

/// Whether this controller leads. A thread with a client of its own holds the lease, so that no other work delays it,
/// however much there is.
pub(super) struct Leadership {
    leads: watch::Receiver<bool>,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Leadership {
    pub(super) async fn start(
        access: &ClusterAccess,
        options: &LeaseOptions,
    ) -> Result<Self, ControllerError> {
        let (sender, leads) = watch::channel(false);
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let (begin, began) = oneshot::channel();
        let (access, options) = (access.clone(), options.clone());
        let run = move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return drop(begin.send(Err(ControllerError::Thread(error)))),
            };
            runtime.block_on(async move {
                match access.client() {
                    Ok(client) => {
                        let _ = begin.send(Ok(()));
                        hold(options.lease(client), sender, stopped).await;
                        let _ = end.send(());
                    }
                    Err(error) => drop(begin.send(Err(error.into()))),
                }
            });
        };
        let thread = thread::Builder::new().name("lease".to_owned());
        thread.spawn(run).map_err(ControllerError::Thread)?;
        began.await.map_err(|_| ControllerError::LeaseEnded)??;
        Ok(Self { leads, stop, ended })
    }

    pub(super) fn is_leader(&self) -> bool {
        *self.leads.borrow()
    }

    /// Waits until it may be another who leads, and tells whether this controller does.
    ///
    /// # Errors
    /// If the lease is held no more.
    pub(super) async fn changed(&mut self) -> Result<bool, ControllerError> {
        match self.leads.changed().await {
            Ok(()) => Ok(*self.leads.borrow_and_update()),
            Err(_) => Err(ControllerError::LeaseEnded),
        }
    }

    /// Waits until this controller does not lead.
    pub(super) async fn lost(&self) {
        let mut leads = self.leads.clone();
        // A lease whose thread has ended is lost.
        let _ = leads.wait_for(|leads| !leads).await;
    }

    /// Gives the lease up, so that another controller need not wait.
    pub(super) async fn release(self) {
        let Self {
            leads: _,
            stop,
            ended,
        } = self;
        let _ = stop.send(());
        if ended.await.is_err() {
            tracing::error!("the lease was not given up, because of a defect");
        }
    }
}

impl LeaseOptions {
    fn lease(&self, client: Client) -> LeaderLease {
        let place = (self.namespace.as_str(), self.name.as_str());
        LeaderLease::new(client, place, self.identity.clone(), self.times)
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
