//! The kinds of object that Egret recognises, in one table.

use std::fmt;

/// The Gateway API's group.
pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";
/// The Gateway API's group of kinds that are on trial.
pub const GATEWAY_TRIAL_GROUP: &str = "gateway.networking.x-k8s.io";
/// kgateway's group.
pub const KGATEWAY_GROUP: &str = "gateway.kgateway.dev";
/// The core group of Kubernetes, which is written as nothing.
pub const CORE_GROUP: &str = "";
/// The group of what is no object of an API, and that nobody writes as one: a file that objects name by its path.
const UNWRITTEN_GROUP: &str = "(none)";
/// Egret's own group.
pub const EGRET_GROUP: &str = "egret.dev";

/// A row of the table of kinds.
struct KindRow {
    kind: Kind,
    group: &'static str,
    /// The versions that are read; all versions of a kind have the same fields. Empty for a kind that is not read.
    versions: &'static [&'static str],
    name: &'static str,
    namespaced: bool,
}

macro_rules! kinds {
    ($($variant:ident: $group:expr, $versions:expr, $name:literal, $namespaced:literal;)*) => {
        /// A kind of object that Egret reads, supported or not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        const ROWS: &[KindRow] = &[
            $(KindRow {
                kind: Kind::$variant,
                group: $group,
                versions: $versions,
                name: $name,
                namespaced: $namespaced,
            },)*
        ];
    };
}

kinds! {
    GatewayClass: GATEWAY_GROUP, &["v1", "v1beta1"], "GatewayClass", false;
    Gateway: GATEWAY_GROUP, &["v1", "v1beta1"], "Gateway", true;
    HttpRoute: GATEWAY_GROUP, &["v1", "v1beta1"], "HTTPRoute", true;
    GrpcRoute: GATEWAY_GROUP, &["v1", "v1alpha2"], "GRPCRoute", true;
    TlsRoute: GATEWAY_GROUP, &["v1", "v1alpha3", "v1alpha2"], "TLSRoute", true;
    ReferenceGrant: GATEWAY_GROUP, &["v1", "v1beta1", "v1alpha2"], "ReferenceGrant", true;
    BackendTlsPolicy: GATEWAY_GROUP, &["v1", "v1alpha3"], "BackendTLSPolicy", true;
    TcpRoute: GATEWAY_GROUP, &[], "TCPRoute", true;
    UdpRoute: GATEWAY_GROUP, &[], "UDPRoute", true;
    ListenerSet: GATEWAY_GROUP, &["v1"], "ListenerSet", true;
    XListenerSet: GATEWAY_TRIAL_GROUP, &[], "XListenerSet", true;
    XBackendTrafficPolicy: GATEWAY_TRIAL_GROUP, &["v1alpha1"], "XBackendTrafficPolicy", true;
    XMesh: GATEWAY_TRIAL_GROUP, &[], "XMesh", false;
    Backend: KGATEWAY_GROUP, &["v1alpha1"], "Backend", true;
    TrafficPolicy: KGATEWAY_GROUP, &["v1alpha1"], "TrafficPolicy", true;
    ListenerPolicy: KGATEWAY_GROUP, &["v1alpha1"], "ListenerPolicy", true;
    HttpListenerPolicy: KGATEWAY_GROUP, &["v1alpha1"], "HTTPListenerPolicy", true;
    BackendConfigPolicy: KGATEWAY_GROUP, &["v1alpha1"], "BackendConfigPolicy", true;
    DirectResponse: KGATEWAY_GROUP, &["v1alpha1"], "DirectResponse", true;
    GatewayExtension: KGATEWAY_GROUP, &["v1alpha1"], "GatewayExtension", true;
    GatewayParameters: KGATEWAY_GROUP, &["v1alpha1"], "GatewayParameters", true;
    EgressPolicy: EGRET_GROUP, &["v1alpha1"], "EgressPolicy", true;
    ResolverPolicy: EGRET_GROUP, &["v1alpha1"], "ResolverPolicy", true;
    Service: CORE_GROUP, &["v1"], "Service", true;
    EndpointSlice: "discovery.k8s.io", &["v1"], "EndpointSlice", true;
    Secret: CORE_GROUP, &["v1"], "Secret", true;
    ConfigMap: CORE_GROUP, &["v1"], "ConfigMap", true;
    Namespace: CORE_GROUP, &["v1"], "Namespace", false;
    File: UNWRITTEN_GROUP, &[], "File", false;
}

impl Kind {
    /// The kind of this group and name, if Egret recognises it.
    #[must_use]
    pub fn find(group: &str, name: &str) -> Option<Self> {
        Self::all().find(|kind| kind.group() == group && kind.as_str() == name)
    }

    /// Every kind that Egret recognises in what people write.
    pub fn all() -> impl Iterator<Item = Self> {
        let written = ROWS.iter().filter(|row| row.group != UNWRITTEN_GROUP);
        written.map(|row| row.kind)
    }

    /// The API group; empty for the core group.
    #[must_use]
    pub fn group(self) -> &'static str {
        self.row().group
    }

    /// The versions that are read, the preferred one first; empty if the kind is not read at all.
    #[must_use]
    pub fn versions(self) -> &'static [&'static str] {
        self.row().versions
    }

    /// The name of the kind, as in the field `kind`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The name of the kind in the paths of an API server.
    #[must_use]
    pub fn plural(self) -> String {
        let name = self.as_str().to_ascii_lowercase();
        match name.strip_suffix("cy") {
            Some(stem) => format!("{stem}cies"),
            None if self == Self::GatewayParameters => name,
            None if name.ends_with('s') || name.ends_with("sh") => format!("{name}es"),
            None => format!("{name}s"),
        }
    }

    /// Whether objects of this kind have a namespace.
    #[must_use]
    pub fn is_namespaced(self) -> bool {
        self.row().namespaced
    }

    /// The index is right because the macro writes the enum and the table in the same order.
    fn row(self) -> &'static KindRow {
        &ROWS[self as usize]
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_its_own_inverse() {
        for row in ROWS {
            assert_eq!(row.kind.as_str(), row.name);
            let is_written = row.kind != Kind::File;
            let expected = is_written.then_some(row.kind);
            assert_eq!(Kind::find(row.group, row.name), expected);
        }
        assert_eq!(Kind::find("example.com", "Gateway"), None);
        for (kind, plural) in [
            (Kind::GatewayClass, "gatewayclasses"),
            (Kind::Gateway, "gateways"),
            (Kind::HttpRoute, "httproutes"),
            (Kind::BackendTlsPolicy, "backendtlspolicies"),
            (Kind::HttpListenerPolicy, "httplistenerpolicies"),
            (Kind::GatewayParameters, "gatewayparameters"),
            (Kind::DirectResponse, "directresponses"),
            (Kind::EndpointSlice, "endpointslices"),
            (Kind::ListenerSet, "listenersets"),
            (Kind::XMesh, "xmeshes"),
        ] {
            assert_eq!(kind.plural(), plural);
        }
        assert_eq!(Kind::HttpRoute.to_string(), "HTTPRoute");
    }
}
