//! kgateway's resources (`gateway.kgateway.dev/v1alpha1`).
//!
//! Every field is recognised. Fields that are not supported yet are kept as [`UnsupportedValue`], so that the report
//! can name them.

/// Defines a struct with supported and unsupported fields, and a method that names the unsupported fields that are set.
/// A field without effect changes nothing for the reason that is given, which the report and docs/compatibility.md tell.
/// A field of these that a validation rule mentions needs its JSON type: `files = "files" as "object"`.
macro_rules! recognised {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }
     unsupported { $($other:ident = $wire:literal $(as $form:literal)?,)* }
     $(without_effect { $($idle:ident = $idle_wire:literal $(as $idle_form:literal)?: $why:literal,)* })?) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            $(
                /// Not supported.
                #[serde(default, rename = $wire, skip_serializing_if = "Option::is_none")]
                $(#[schemars(extend("type" = $form))])?
                pub $other: Option<UnsupportedValue>,
            )*
            $($(
                #[doc = concat!("Has no effect: ", $why, ".")]
                #[serde(default, rename = $idle_wire, skip_serializing_if = "Option::is_none")]
                #[schemars(extend("x-egret-no-effect" = $why))]
                $(#[schemars(extend("type" = $idle_form))])?
                pub $idle: Option<$crate::kgateway::unsupported::IdleValue>,
            )*)?
        }

        impl $name {
            /// The number of fields that are supported.
            pub const SUPPORTED: usize = {
                let names: &[&str] = &[$(stringify!($field)),*];
                names.len()
            };

            /// The fields that are set but not supported.
            pub fn unsupported(&self) -> impl Iterator<Item = &'static str> + use<> {
                let set: Vec<Option<&'static str>> =
                    vec![$(self.$other.is_some().then_some($wire)),*];
                set.into_iter().flatten()
            }
        }
    };
}

mod backend;
mod backend_config;
mod body_format;
mod direct_response;
mod gateway_extension;
mod gateway_parameters;
mod listener;
mod tls;
mod traffic;
mod unsupported;

pub use backend::{
    Backend, BackendSpec, BackendType, DynamicForwardProxy, StaticBackend, StaticHost,
};
pub use backend_config::{
    BackendConfigPolicy, BackendConfigPolicySpec, BackendDnsSpec, CircuitBreakersSpec,
    CommonHttpProtocolOptions, ConnectionKeepalive, GrpcHealthCheckSpec, HashCookieSpec,
    HashHeaderSpec, HashPolicySpec, HashSourceIp, HealthCheckSpec, Http1ProtocolOptions,
    Http2ProtocolOptions, HttpHealthCheckSpec, LeastRequest, LoadBalancerSpec, Maglev,
    OutlierDetectionSpec, RandomBalancer, RetryBudgetSpec, RingHash, RoundRobin, SlowStartSpec,
    TcpHealthCheckSpec, TcpKeepaliveSpec, TunnelProxySpec, TunnelSpec, UpstreamProxyProtocol,
};
pub use body_format::BodyFormatSpec;
pub use direct_response::{DirectResponse, DirectResponseSpec};
pub use gateway_extension::{
    AuthRequestBody, AuthorizationRequest, AuthorizationResponse, BodySendMode, ClaimToHeader,
    ConfigMapName, ExtAuthExtension, ExtProcExtension, ExtensionType, FilterPredicate, FilterStage,
    FilterStageSpec, ForwardedMetadata, GatewayExtension, GatewayExtensionSpec, GrpcServiceSpec,
    HeaderSendMode, HttpAuthServiceSpec, JwksAsyncFetch, JwksRetryPolicy, JwksSpec, JwtExtension,
    JwtProviderSpec, JwtTokenHeader, JwtTokenSource, JwtValidationMode, LocalJwks,
    ProcessingMetadata, ProcessingModeSpec, RateLimitExtension, RemoteJwksSpec, RouteCacheAction,
    ServiceBackoff, ServiceRef, ServiceRetry, XRateLimitHeaders,
};
pub use gateway_parameters::{
    BootstrapParameters, ContainerParameters, DeploymentParameters, DeploymentStrategy,
    GatewayParameters, GatewayParametersSpec, GracefulShutdown, ImageParameters, KubeParameters,
    ObjectDecoration, OverlayMetadata, PodParameters, ResourceOverlay, RollingUpdate, SelfManaged,
    ServiceParameters, ServicePortParameters, StatsParameters,
};
pub use listener::{
    AccessLogSpec, AnyValueEntry, AnyValueList, AuthorityReference, CallMetadata, CelFilterSpec,
    ClientCertDetailsSpec, ClientCertificateValidation, CollectorCall, CollectorRetry,
    CollectorSpec, ComparisonFilterSpec, EarlyHeader, EarlyHeaderModifier, EnvironmentDetectorSpec,
    FileSinkSpec, ForwardClientCertSpec, GrpcStatusFilterSpec, HeaderFilterSpec, HeaderMatchSpec,
    HttpCollectorSpec, HttpListenerPolicy, HttpListenerPolicySpec, HttpSettings,
    ListenerHealthCheck, ListenerHttp2, ListenerPolicy, ListenerPolicySpec, ListenerPort,
    ListenerSettings, LiteralAttribute, LocalRepliesSpec, LocalReplyHeadersSpec,
    LocalReplyMapperSpec, LogCollectorSpec, LogFilterSpec, LogHttpCollectorSpec, LogServiceSpec,
    MetadataAttribute, MetadataKey, MetadataSegment, NamedAttribute, OneFilterSpec,
    OpenTelemetrySpec, OpenTelemetryTracingSpec, ProxyProtocolSettings, ResourceDetectorSpec,
    ResponseFlagFilterSpec, RuntimeFilterSpec, SampledSpec, TracingAttributeSpec,
    TracingProviderSpec, TracingSpec, UpgradeConfig,
};
pub use tls::{BackendConfigTls, SecretName, TlsFiles, TlsParameters};
pub use traffic::*;
pub use unsupported::UnsupportedValue;
