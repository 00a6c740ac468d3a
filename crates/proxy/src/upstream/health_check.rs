//! Health checks (`healthCheck` of a BackendConfigPolicy): the addresses of backends are asked whether they can serve.
//!
//! One worker checks them for all. An address that fails its checks is tried last, as one that is ejected by outlier
//! detection; it is never left out. Checks pass the egress policies and the check of every address, as requests do.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use egret_config::name::{DnsName, Host};
use egret_config::snapshot::{BackendDestination, ResolverId, Snapshot, WeightedBackend};
use http::Request;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::upstreams::Upstreams;
use crate::clock;
use crate::configuration::WorkerSnapshot;
use crate::message::target::{Target, TargetForm};
use crate::plan::{ForwardPlan, PlannedRoute};
use crate::policy;
use crate::task;
use probe::HealthProber;
use table::CheckTable;

mod probe;
mod results;
mod table;

pub(crate) use results::CheckResults;
pub(crate) use table::CheckOutcome;
pub(super) use table::CheckedAddress;

/// How often it is looked which addresses there are.
const UPDATE_INTERVAL: Duration = Duration::from_secs(1);

/// The checks of a worker.
struct HealthChecker {
    upstreams: Rc<Upstreams>,
    table: RefCell<CheckTable<HealthProber>>,
    /// Notified when a check has ended.
    ended: Notify,
    /// The names that are being resolved.
    resolving: RefCell<BTreeSet<(ResolverId, DnsName)>>,
}

/// Checks the addresses of the backends of the configuration, for ever.
pub(crate) async fn run(upstreams: &Rc<Upstreams>, snapshot: impl Fn() -> WorkerSnapshot) {
    let checker = Rc::new(HealthChecker {
        upstreams: Rc::clone(upstreams),
        table: RefCell::default(),
        ended: Notify::new(),
        resolving: RefCell::default(),
    });
    loop {
        checker.update(&snapshot());
        let next_update = clock::now() + UPDATE_INTERVAL;
        loop {
            checker.begin();
            let next = checker.table.borrow().next();
            let until = next.map_or(next_update, |next| next.min(next_update));
            // Whether one has ended or the next is due, begin() finds out.
            let _ = timeout_at(until.into(), checker.ended.notified()).await;
            if clock::now() >= next_update {
                break;
            }
        }
    }
}

impl HealthChecker {
    /// Brings the checks up to the configuration, and to what names resolve to.
    fn update(self: &Rc<Self>, snapshot: &Snapshot) {
        let wanted = self.wanted(snapshot);
        let has_changed = self.table.borrow_mut().keep(wanted, clock::now());
        if has_changed {
            self.publish();
        }
    }

    /// The addresses that are to be checked.
    fn wanted(self: &Rc<Self>, snapshot: &Snapshot) -> BTreeMap<CheckedAddress, HealthProber> {
        let mut wanted = BTreeMap::new();
        for backend in &snapshot.checked {
            let Some(mut plan) = plan(&backend.backend) else {
                continue;
            };
            for at in 0..plan.hosts().len().max(1) {
                plan.turn_to(at);
                self.add_host(&plan, backend.is_service, &mut wanted);
            }
        }
        wanted
    }

    /// Adds the addresses of the host that a plan is for.
    fn add_host(
        self: &Rc<Self>,
        plan: &ForwardPlan<'_>,
        is_service: bool,
        wanted: &mut BTreeMap<CheckedAddress, HealthProber>,
    ) {
        let own = self.upstreams.shared.own_addresses.load();
        let (Some(check), Ok(guard)) = (
            &plan.settings.health_check,
            policy::guard_of_checks(plan, is_service, &own),
        ) else {
            return;
        };
        let permitted = self.addresses(plan).into_iter();
        for address in permitted.filter_map(|address| guard.permit(address).ok()) {
            let checked = CheckedAddress {
                backend: plan.backend.clone(),
                host: plan.destination.host.clone(),
                address: address.get(),
            };
            wanted.entry(checked).or_insert_with(|| HealthProber {
                address,
                destination: plan.destination.clone(),
                settings: plan.settings.clone(),
                check: check.clone(),
            });
        }
    }

    /// The addresses of the host that a plan is for. A name of which none are known is resolved, which the next update
    /// knows of.
    fn addresses(self: &Rc<Self>, plan: &ForwardPlan<'_>) -> Vec<SocketAddr> {
        if let Some(endpoints) = plan.endpoints() {
            return endpoints.to_vec();
        }
        let destination = &plan.destination;
        let port = destination.port.get();
        let name = match &destination.host {
            Host::Ip(ip) => return vec![SocketAddr::new(*ip, port)],
            Host::Name(name) => name,
        };
        let Some(resolver) = self.upstreams.shared.resolvers.get(&destination.resolver) else {
            return Vec::new();
        };
        let scheme = destination.scheme;
        if let Some(known) = resolver.peek(name, scheme) {
            resolver.touch(name);
            let addresses = known.addresses.iter();
            return addresses.map(|ip| SocketAddr::new(*ip, port)).collect();
        }
        let question = (destination.resolver.clone(), name.clone());
        if self.resolving.borrow_mut().insert(question.clone()) {
            let checker = Rc::clone(self);
            task::spawn(async move {
                // Whatever comes of it is in the cache.
                let _ = resolver.resolve(&question.1, scheme).await;
                checker.resolving.borrow_mut().remove(&question);
            });
        }
        Vec::new()
    }

    /// Begins the checks that are due.
    fn begin(self: &Rc<Self>) {
        let due = self.table.borrow_mut().begin(clock::now());
        for (address, prober) in due {
            let checker = Rc::clone(self);
            task::spawn(Box::pin(async move {
                let outcome = prober.run(&checker.upstreams.shared.tls).await;
                checker.upstreams.metrics.health_checks.increment(outcome);
                let now = clock::now();
                let mut table = checker.table.borrow_mut();
                let has_changed = table.ended(&address, outcome, &prober.check, now);
                drop(table);
                if has_changed {
                    checker.publish();
                }
                checker.ended.notify_one();
            }));
        }
    }

    /// Tells all workers what the checks say.
    fn publish(&self) {
        let table = self.table.borrow();
        let states = &self.upstreams.shared.destination_states;
        let failing = states.checked(|| table.results());
        let gauge = &self.upstreams.metrics.failing_checks;
        gauge.add(failing - gauge.get());
    }
}

/// A plan of the first host of a backend; `None` if it has no addresses of its own.
fn plan(backend: &WeightedBackend) -> Option<ForwardPlan<'_>> {
    let host = match &backend.destination {
        BackendDestination::Static(to) => to.hosts.first()?.0.clone(),
        BackendDestination::Service(to) => Host::Name(to.host.clone()),
        BackendDestination::Dynamic(_) | BackendDestination::Refuse(_) => return None,
    };
    let target = Target {
        scheme: None,
        host,
        port: None,
        form: TargetForm::Request,
    };
    let (parts, ()) = Request::new(()).into_parts();
    ForwardPlan::new(&target, &PlannedRoute::default(), backend, &parts).ok()
}
