//! The exception for the endpoints of a Service is for that backend alone.

use crate::message::target::Target;
use std::net::Ipv6Addr;

use egret_config::name::Host;
use egret_config::resources::Kind;
use egret_config::snapshot::{
    BackendDestination, DynamicDestination, HttpVersion, ResolverId, RouteFilters, Scheme,
    ServiceDestination, WeightedBackend,
};
use http::Request;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::message::target::TargetForm;
use crate::plan::PlannedRoute;

mod cost;

const SERVICE: &str = "shop.apps.svc.cluster.local";

fn backend(destination: BackendDestination) -> WeightedBackend {
    WeightedBackend {
        weight: 1,
        filters: RouteFilters::default(),
        mirrors: Vec::new(),
        destination,
        egress: Arc::default(),
    }
}

fn dynamic(scheme: Scheme) -> WeightedBackend {
    backend(BackendDestination::Dynamic(DynamicDestination {
        backend: ObjectRef::new(Kind::Backend, "apps", "dfp"),
        resolver: ResolverId::System,
        settings: Arc::default(),
        scheme,
        port: None,
    }))
}

fn service(endpoints: &[SocketAddr]) -> WeightedBackend {
    backend(BackendDestination::Service(ServiceDestination {
        service: ObjectRef::new(Kind::Service, "apps", "shop"),
        host: SERVICE.parse().unwrap(),
        port: Port::HTTP,
        settings: Arc::default(),
        version: HttpVersion::Auto,
        endpoints: endpoints.into(),
    }))
}

fn cleared<'a>(backend: &'a WeightedBackend, host: Host, port: Option<Port>) -> Cleared<'a> {
    let target = Target {
        scheme: None,
        host,
        port,
        form: TargetForm::Request,
    };
    let (parts, ()) = Request::new(()).into_parts();
    let plan = ForwardPlan::new(&target, &PlannedRoute::default(), backend, &parts).unwrap();
    Cleared::own(Box::new(plan)).unwrap()
}

/// An address that pods have.
fn pod() -> impl Strategy<Value = SocketAddr> {
    let v4 = any::<[u8; 3]>().prop_map(|[b, c, d]| IpAddr::from([10, b, c, d]));
    let v6 = any::<[u16; 7]>().prop_map(|rest| {
        let [b, c, d, e, f, g, h] = rest;
        IpAddr::from(Ipv6Addr::new(0xfd00, b, c, d, e, f, g, h))
    });
    (prop_oneof![v4, v6], 1..=u16::MAX).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

proptest! {
    #[test]
    fn no_endpoint_is_permitted_to_a_dynamic_destination(
        mut endpoints in vec(pod(), 1..8),
        at in any::<prop::sample::Index>(),
        enable_tls in any::<bool>(),
    ) {
        endpoints.sort_unstable();
        endpoints.dedup();
        let endpoint = *at.get(&endpoints);
        let own = OwnAddresses::default();
        let shop = service(&endpoints);
        let to_shop = cleared(&shop, "shop.example".parse().unwrap(), None);
        for address in &endpoints {
            prop_assert!(to_shop.guard(&own).permit(*address).is_ok());
        }
        // A Service leads to its endpoints alone, even if others may be dialled.
        prop_assert!(to_shop.guard(&own).permit(([8, 8, 8, 8], 80).into()).is_err());

        let dfp = dynamic(if enable_tls { Scheme::Https } else { Scheme::Http });
        let hosts = [
            Host::Ip(endpoint.ip()),
            SERVICE.parse().unwrap(),
            "shop.example".parse().unwrap(),
        ];
        for host in hosts {
            for port in [None, Some(Port::HTTP), Port::new(endpoint.port())] {
                let to_host = cleared(&dfp, host.clone(), port);
                for address in &endpoints {
                    prop_assert!(to_host.guard(&own).permit(*address).is_err(), "{host} {address}");
                }
                // Nor are there connections that both would take.
                prop_assert!(to_host.plan().destination != to_shop.plan().destination);
                prop_assert!(to_host.plan().endpoints().is_none());
            }
        }
    }
}
