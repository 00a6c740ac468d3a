//! The collector that metrics are pushed to, as arguments name it: no object of the configuration says so, because metrics
//! are the process's own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use crate::name::{Authority, Host, Port};
use crate::policy::egress::EgressPolicySet;
use crate::policy::service::{CalledService, Collector, CollectorProtocol, ServiceId};
use crate::resources::{Kind, ObjectRef};
use crate::snapshot::{
    BackendDestination, BackendSettings, HttpVersion, ResolverId, RouteFilters, StaticDestination,
    UpstreamTls, WeightedBackend,
};

mod headers;

pub use headers::{PushHeaders, PushHeadersError};

/// The longest time for a push, with all that is made again.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often a push that failed for the moment is made again.
const RETRIES: u32 = 2;
/// The first and the longest pause before that.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));
/// The path of metrics by default (OTLP/HTTP).
const METRICS_PATH: &str = "/v1/metrics";

/// A collector that metrics are pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsCollector {
    /// How it is called.
    pub collector: Arc<Collector>,
    /// Where it is.
    pub backend: Arc<WeightedBackend>,
}

/// Why a text is no endpoint of a collector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}: write grpc://host:4317 or grpcs://host:4317 for OTLP over gRPC, or http://host:4318 or https://host:4318 for OTLP over HTTP"
)]
pub struct EndpointError(String);

/// What a scheme says: the protocol, whether TLS is spoken, and the port by default.
struct EndpointScheme {
    is_grpc: bool,
    is_tls: bool,
    port: u16,
}

impl MetricsCollector {
    /// The collector at an endpoint, which `argument` has.
    ///
    /// # Errors
    /// If it is not a URL of a collector.
    pub fn new(argument: &str, endpoint: &str) -> Result<Self, EndpointError> {
        let wrong = |why: &dyn fmt::Display| EndpointError(why.to_string());
        let uri: Uri = endpoint.parse().map_err(|error| wrong(&error))?;
        let scheme = EndpointScheme::named(uri.scheme_str().unwrap_or_default());
        let EndpointScheme {
            is_grpc,
            is_tls,
            port,
        } = scheme.ok_or_else(|| wrong(&"its scheme is not that of a collector"))?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let named = Authority::parse(authority.as_bytes()).map_err(|error| wrong(&error))?;
        let port = named.port.or_else(|| Port::new(port));
        let port = port.ok_or_else(|| wrong(&"it has no port"))?;
        if uri.query().is_some() || (is_grpc && !matches!(uri.path(), "" | "/")) {
            return Err(wrong(&"what follows its port is not used"));
        }
        let protocol = match uri.path() {
            _ if is_grpc => CollectorProtocol::Grpc,
            "" | "/" => CollectorProtocol::Http(METRICS_PATH.into()),
            path => CollectorProtocol::Http(path.into()),
        };
        let service = CalledService {
            id: ServiceId::of_argument(argument),
            authority: authority.to_owned(),
            timeout: TIMEOUT,
            retries: RETRIES,
            back_off: BACK_OFF,
        };
        Ok(Self {
            collector: Arc::new(Collector {
                service,
                protocol,
                metadata: Vec::new(),
            }),
            backend: Arc::new(backend(argument, (named.host, port), is_grpc, is_tls)),
        })
    }

    /// The collector, which is told these header fields with each push.
    #[must_use]
    pub fn with_headers(&self, headers: &PushHeaders) -> Self {
        let collector = Collector {
            metadata: headers.fields().to_vec(),
            ..Collector::clone(&self.collector)
        };
        Self {
            collector: Arc::new(collector),
            backend: Arc::clone(&self.backend),
        }
    }
}

impl EndpointScheme {
    fn named(scheme: &str) -> Option<Self> {
        let (is_grpc, is_tls, port) = match scheme {
            "grpc" => (true, false, 4317),
            "grpcs" => (true, true, 4317),
            "http" => (false, false, 4318),
            "https" => (false, true, 4318),
            _ => return None,
        };
        Some(Self {
            is_grpc,
            is_tls,
            port,
        })
    }
}

/// The collector as a backend, by its one address.
fn backend(argument: &str, at: (Host, Port), is_grpc: bool, is_tls: bool) -> WeightedBackend {
    let mut settings = BackendSettings::default();
    if is_tls {
        settings.tls = Some(Arc::new(UpstreamTls::of_host(&at.0)));
    }
    let destination = StaticDestination {
        backend: ObjectRef::new(Kind::Backend, "", argument.trim_start_matches('-')),
        resolver: ResolverId::System,
        settings: Arc::new(settings),
        version: match is_grpc {
            true => HttpVersion::Http2,
            false => HttpVersion::Auto,
        },
        hosts: vec![at],
    };
    WeightedBackend {
        weight: 1,
        filters: RouteFilters::default(),
        mirrors: Vec::new(),
        destination: BackendDestination::Static(destination),
        egress: Arc::new(EgressPolicySet::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The protocol, the authority, the address and whether TLS is spoken.
    fn read(endpoint: &str) -> Result<(String, String, String, bool), String> {
        let told = MetricsCollector::new("--to", endpoint).map_err(|error| error.to_string())?;
        let BackendDestination::Static(destination) = &told.backend.destination else {
            return Err("not one host".to_owned());
        };
        let protocol = match &told.collector.protocol {
            CollectorProtocol::Grpc => format!("gRPC {:?}", destination.version),
            CollectorProtocol::Http(path) => format!("HTTP {path}"),
        };
        let (host, port) = &destination.hosts[0];
        Ok((
            protocol,
            told.collector.service.authority.clone(),
            format!("{host} {port}"),
            destination.settings.tls.is_some(),
        ))
    }

    #[test]
    fn the_scheme_says_how_a_collector_is_spoken_to() {
        for (endpoint, protocol, authority, address, is_tls) in [
            (
                "grpc://otel:4317",
                "gRPC Http2",
                "otel:4317",
                "otel 4317",
                false,
            ),
            (
                "grpcs://otel.test",
                "gRPC Http2",
                "otel.test",
                "otel.test 4317",
                true,
            ),
            (
                "http://10.0.0.1/",
                "HTTP /v1/metrics",
                "10.0.0.1",
                "10.0.0.1 4318",
                false,
            ),
            (
                "https://[::1]:443/in",
                "HTTP /in",
                "[::1]:443",
                "[::1] 443",
                true,
            ),
        ] {
            let expected = (protocol.into(), authority.into(), address.into(), is_tls);
            assert_eq!(read(endpoint), Ok(expected), "{endpoint}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_what_to_write() {
        for (endpoint, why) in [
            ("otel:4317", "its scheme is not that of a collector"),
            ("udp://otel:4317", "its scheme is not that of a collector"),
            ("http://user:secret@otel", "userinfo is not allowed"),
            (
                "grpc://otel/v1/metrics",
                "what follows its port is not used",
            ),
            ("http://otel/?key=1", "what follows its port is not used"),
            ("http://", ""),
        ] {
            let told = read(endpoint).unwrap_err();
            assert!(told.starts_with(why), "{endpoint}: {told}");
            assert!(told.contains("write grpc://host:4317"), "{told}");
        }
    }

    #[test]
    fn the_service_is_called_by_its_argument() {
        let told = MetricsCollector::new("--otlp-metrics-endpoint", "http://otel").unwrap();
        let id = told.collector.service.id.to_string();
        assert_eq!(id, "--otlp-metrics-endpoint");
    }
}
