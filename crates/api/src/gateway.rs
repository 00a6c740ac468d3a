//! The Gateway API's types under readable names. Only this room imports the generated types.
//!
//! The types are those of the experimental channel, so that experimental fields are recognised, and reported where
//! Egret does not support them.

mod listener_set;

pub use gateway_api::apis::experimental::gatewayclasses::{GatewayClass, GatewayClassSpec};
pub use gateway_api::apis::experimental::gateways::{
    Gateway, GatewayAddresses as Address, GatewayAllowedListeners as AllowedListeners,
    GatewayAllowedListenersNamespaces as ListenerSetNamespaces,
    GatewayAllowedListenersNamespacesFrom as FromListenerSetNamespaces,
    GatewayAllowedListenersNamespacesSelector as ListenerSetSelector,
    GatewayDefaultScope as DefaultScope, GatewayInfrastructure as Infrastructure,
    GatewayListeners as GatewayListener, GatewayListenersAllowedRoutes as AllowedRoutes,
    GatewayListenersAllowedRoutesKinds as RouteKind,
    GatewayListenersAllowedRoutesNamespaces as RouteNamespaces,
    GatewayListenersAllowedRoutesNamespacesFrom as FromNamespaces,
    GatewayListenersAllowedRoutesNamespacesSelector as NamespaceSelector,
    GatewayListenersAllowedRoutesNamespacesSelectorMatchExpressions as SelectorExpression,
    GatewayListenersTls as ListenerTls, GatewayListenersTlsCertificateRefs as CertificateRef,
    GatewayListenersTlsMode as TlsMode, GatewaySpec, GatewayTls, GatewayTlsBackend,
    GatewayTlsBackendClientCertificateRef as BackendCertificateRef, GatewayTlsFrontend,
    GatewayTlsFrontendDefault as FrontendDefault,
    GatewayTlsFrontendDefaultValidation as FrontendValidation,
    GatewayTlsFrontendDefaultValidationMode as FrontendValidationMode,
    GatewayTlsFrontendPerPort as FrontendPort, GatewayTlsFrontendPerPortTls as FrontendPortTls,
    GatewayTlsFrontendPerPortTlsValidation as FrontendPortValidation,
    GatewayTlsFrontendPerPortTlsValidationMode as FrontendPortValidationMode,
};
pub use gateway_api::apis::experimental::grpcroutes::{
    GrpcRoute, GrpcRouteParentRefs as GrpcParentRef, GrpcRouteRules as GrpcRouteRule,
    GrpcRouteRulesBackendRefs as GrpcBackendRef,
    GrpcRouteRulesBackendRefsFilters as GrpcBackendFilter,
    GrpcRouteRulesBackendRefsFiltersRequestHeaderModifier as GrpcBackendRequestHeaderModifier,
    GrpcRouteRulesBackendRefsFiltersRequestMirror as GrpcBackendRequestMirror,
    GrpcRouteRulesBackendRefsFiltersRequestMirrorBackendRef as GrpcBackendMirrorBackendRef,
    GrpcRouteRulesBackendRefsFiltersRequestMirrorFraction as GrpcBackendMirrorFraction,
    GrpcRouteRulesBackendRefsFiltersResponseHeaderModifier as GrpcBackendResponseHeaderModifier,
    GrpcRouteRulesBackendRefsFiltersType as GrpcBackendFilterType,
    GrpcRouteRulesFilters as GrpcRuleFilter, GrpcRouteRulesFiltersExtensionRef as GrpcExtensionRef,
    GrpcRouteRulesFiltersRequestHeaderModifier as GrpcRequestHeaderModifier,
    GrpcRouteRulesFiltersRequestMirror as GrpcRequestMirror,
    GrpcRouteRulesFiltersRequestMirrorBackendRef as GrpcMirrorBackendRef,
    GrpcRouteRulesFiltersRequestMirrorFraction as GrpcMirrorFraction,
    GrpcRouteRulesFiltersResponseHeaderModifier as GrpcResponseHeaderModifier,
    GrpcRouteRulesFiltersType as GrpcRuleFilterType, GrpcRouteRulesMatches as GrpcRouteMatch,
    GrpcRouteRulesMatchesHeaders as GrpcHeaderMatch,
    GrpcRouteRulesMatchesHeadersType as GrpcHeaderMatchType,
    GrpcRouteRulesMatchesMethod as GrpcMethodMatch,
    GrpcRouteRulesMatchesMethodType as GrpcMethodMatchType,
    GrpcRouteRulesSessionPersistence as GrpcSessionPersistence,
    GrpcRouteRulesSessionPersistenceCookieConfigLifetimeType as GrpcCookieLifetimeType,
    GrpcRouteRulesSessionPersistenceType as GrpcSessionType, GrpcRouteSpec,
    GrpcRouteUseDefaultGateways as GrpcUseDefaultGateways,
};
pub use gateway_api::apis::experimental::httproutes::{
    HttpRoute, HttpRouteParentRefs as ParentRef, HttpRouteRules as HttpRouteRule,
    HttpRouteRulesBackendRefs as BackendRef, HttpRouteRulesBackendRefsFilters as BackendFilter,
    HttpRouteRulesBackendRefsFiltersRequestHeaderModifier as BackendRequestHeaderModifier,
    HttpRouteRulesBackendRefsFiltersRequestMirror as BackendRequestMirror,
    HttpRouteRulesBackendRefsFiltersRequestMirrorBackendRef as BackendMirrorBackendRef,
    HttpRouteRulesBackendRefsFiltersRequestMirrorFraction as BackendMirrorFraction,
    HttpRouteRulesBackendRefsFiltersResponseHeaderModifier as BackendResponseHeaderModifier,
    HttpRouteRulesBackendRefsFiltersType as BackendFilterType,
    HttpRouteRulesBackendRefsFiltersUrlRewrite as BackendUrlRewrite,
    HttpRouteRulesBackendRefsFiltersUrlRewritePath as BackendRewritePath,
    HttpRouteRulesBackendRefsFiltersUrlRewritePathType as BackendRewritePathType,
    HttpRouteRulesFilters as RuleFilter, HttpRouteRulesFiltersCors as Cors,
    HttpRouteRulesFiltersExtensionRef as ExtensionRef,
    HttpRouteRulesFiltersRequestHeaderModifier as RequestHeaderModifier,
    HttpRouteRulesFiltersRequestMirror as RequestMirror,
    HttpRouteRulesFiltersRequestMirrorBackendRef as MirrorBackendRef,
    HttpRouteRulesFiltersRequestMirrorFraction as MirrorFraction,
    HttpRouteRulesFiltersRequestRedirect as RequestRedirect,
    HttpRouteRulesFiltersRequestRedirectPath as RedirectPath,
    HttpRouteRulesFiltersRequestRedirectPathType as RedirectPathType,
    HttpRouteRulesFiltersRequestRedirectScheme as RedirectScheme,
    HttpRouteRulesFiltersResponseHeaderModifier as ResponseHeaderModifier,
    HttpRouteRulesFiltersType as RuleFilterType, HttpRouteRulesFiltersUrlRewrite as UrlRewrite,
    HttpRouteRulesFiltersUrlRewritePath as RewritePath,
    HttpRouteRulesFiltersUrlRewritePathType as RewritePathType,
    HttpRouteRulesMatches as HttpRouteMatch, HttpRouteRulesMatchesHeaders as HeaderMatch,
    HttpRouteRulesMatchesHeadersType as HeaderMatchType,
    HttpRouteRulesMatchesMethod as MethodMatch, HttpRouteRulesMatchesPath as PathMatch,
    HttpRouteRulesMatchesPathType as PathMatchType,
    HttpRouteRulesMatchesQueryParams as QueryParamMatch,
    HttpRouteRulesMatchesQueryParamsType as QueryParamMatchType, HttpRouteRulesRetry as RuleRetry,
    HttpRouteRulesSessionPersistence as SessionPersistence,
    HttpRouteRulesSessionPersistenceCookieConfigLifetimeType as CookieLifetimeType,
    HttpRouteRulesSessionPersistenceType as SessionType, HttpRouteRulesTimeouts as RuleTimeouts,
    HttpRouteSpec, HttpRouteUseDefaultGateways as UseDefaultGateways,
};
pub use gateway_api::apis::experimental::referencegrants::{
    ReferenceGrant, ReferenceGrantFrom, ReferenceGrantSpec, ReferenceGrantTo,
};
pub use gateway_api::apis::experimental::tlsroutes::{
    TlsRoute, TlsRouteParentRefs as TlsParentRef, TlsRouteRules as TlsRouteRule,
    TlsRouteRulesBackendRefs as TlsBackendRef, TlsRouteSpec,
    TlsRouteUseDefaultGateways as TlsUseDefaultGateways,
};
pub use gateway_api::apis::experimental::xbackendtrafficpolicies::{
    XBackendTrafficPolicy, XBackendTrafficPolicyRetryConstraint as RetryConstraint,
    XBackendTrafficPolicyRetryConstraintBudget as RetryConstraintBudget,
    XBackendTrafficPolicyRetryConstraintMinRetryRate as MinRetryRate, XBackendTrafficPolicySpec,
    XBackendTrafficPolicyTargetRefs as BackendTrafficTargetRef,
};
pub use gateway_api::apis::standard::backendtlspolicies::{
    BackendTlsPolicy, BackendTlsPolicySpec,
    BackendTlsPolicyTargetRefs as BackendTlsPolicyTargetRef,
    BackendTlsPolicyValidation as BackendTlsValidation,
    BackendTlsPolicyValidationCaCertificateRefs as CaCertificateRef,
    BackendTlsPolicyValidationSubjectAltNames as SubjectAltName,
    BackendTlsPolicyValidationSubjectAltNamesType as SubjectAltNameType,
};
pub use listener_set::{ListenerSet, ListenerSetSpec, ListenerSetStatus, ParentGatewayRef};
