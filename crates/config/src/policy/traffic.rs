//! The settings of TrafficPolicies: one list of fields, from which the struct, its merging and its report are
//! generated.
//!
//! A new field needs its resource type in a file of `api/kgateway/traffic`, its compiled form in a file beside this
//! one, its reader in a file of `compile/policy`, and a line in the list below. The order of the list is the order in
//! which a request meets the policies.

use std::sync::Arc;

use serde::Serialize;

use super::acl::ClientAcl;
use super::api_key_auth::ApiKeyAuth;
use super::basic_auth::BasicAuth;
use super::buffer::RequestBuffer;
use super::compression::Compression;
use super::cors::CorsPolicy;
use super::csrf::CsrfPolicy;
use super::ext_auth::ExtAuth;
use super::ext_proc::ExtProc;
use super::fault::FaultInjection;
use super::global_limit::GlobalRateLimits;
use super::header_modifiers::HeaderModifiers;
use super::http_upgrade::AllowedUpgrades;
use super::internal_redirect::InternalRedirect;
use super::jwt_auth::JwtAuth;
use super::limit::LocalRateLimits;
use super::rbac::Rbac;
use super::request_mirror::MirrorHost;
use super::retry::RetryPolicy;
use super::route_tracing::RouteTracing;
use super::timeouts::TimeoutLimits;
use super::transformation::Transformation;
use super::url_rewrite::{AutoHostRewrite, UrlRewriting};
use crate::resources::ObjectRef;

/// Calls a macro with the list of fields: the name in Rust, the compiled type, the name in a resource, what the field
/// means where requests cannot be read ([`InTunnel`]), and whether a route can take it away ([`Inheritance`]).
macro_rules! traffic_policies {
    ($callback:ident) => {
        $callback! {
            /// Delays and failures on purpose.
            fault_injection: FaultInjection = "faultInjection", WarnOnly, Replaced;
            /// What pages of other origins may do.
            cors: CorsPolicy = "cors", WarnOnly, Replaced;
            /// Refuses requests that pages of other origins send.
            csrf: CsrfPolicy = "csrf", WarnOnly, Replaced;
            /// Allows and denies clients by their address.
            acl: ClientAcl = "acl", Applies, Replaced;
            /// Authenticates clients by user name and password.
            basic_auth: BasicAuth = "basicAuth", RefuseRule, Guarded;
            /// Authenticates clients by API key.
            api_key_auth: ApiKeyAuth = "apiKeyAuth", RefuseRule, Guarded;
            /// Authenticates clients by tokens.
            jwt_auth: JwtAuth = "jwtAuth", RefuseRule, Guarded;
            /// Which requests are let through, by a service.
            ext_auth: ExtAuth = "extAuth", RefuseRule, Guarded;
            /// Which requests are let through, by expressions.
            rbac: Rbac = "rbac", Applies, Replaced;
            /// How many requests may be sent.
            rate_limit_local: LocalRateLimits = "rateLimit.local", Applies, Guarded;
            /// Limits of requests that a service keeps.
            rate_limit_global: GlobalRateLimits = "rateLimit.global", Applies, Guarded;
            /// A service that reads and changes requests and responses.
            ext_proc: ExtProc = "extProc", WarnOnly, Replaced;
            /// The upgrades that are allowed.
            http_upgrade: AllowedUpgrades = "httpUpgrade", Applies, Replaced;
            /// Time limits.
            timeouts: TimeoutLimits = "timeouts", WarnOnly, Replaced;
            /// Rewrites the path.
            url_rewrite: UrlRewriting = "urlRewrite", WarnOnly, Replaced;
            /// Sends a Static backend its own host.
            auto_host_rewrite: AutoHostRewrite = "autoHostRewrite", WarnOnly, Replaced;
            /// Reads request bodies as a whole before they are sent on.
            buffer: RequestBuffer = "buffer", WarnOnly, Replaced;
            /// Compresses responses, and decompresses the bodies of requests.
            compression: Compression = "compression", WarnOnly, Replaced;
            /// When a request is retried.
            retry: RetryPolicy = "retry", Applies, Replaced;
            /// Redirects that are followed in place of the client.
            internal_redirect: InternalRedirect = "internalRedirect", WarnOnly, Replaced;
            /// Changes requests and responses by templates.
            transformation: Transformation = "transformation", WarnOnly, Replaced;
            /// Changes to the headers of requests and responses.
            header_modifiers: HeaderModifiers = "headerModifiers", WarnOnly, Replaced;
            /// Which requests are traced.
            tracing: RouteTracing = "tracing", WarnOnly, Replaced;
            /// What mirrored requests say.
            request_mirror: MirrorHost = "requestMirror", WarnOnly, Replaced;
        }
    };
}

pub(crate) use traffic_policies;

/// The setting of one field, with the policy that decides it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum PolicySetting<T> {
    /// No policy sets the field.
    #[default]
    Unset,
    /// The policy disables the field, even if a wider policy sets it.
    Disabled(ObjectRef),
    /// The policy sets the field to this value.
    Set(ObjectRef, Arc<T>),
}

/// The meaning of a TrafficPolicy's field for a rule whose requests cannot be read, because TLS is passed through
/// (TLSRoute).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InTunnel {
    /// The field needs nothing from the request, and applies as far as it can.
    Applies,
    /// The field protects something and cannot be enforced: the rule refuses every connection, and the policy is
    /// reported.
    RefuseRule,
    /// The field has no effect, which does no harm: the report warns.
    WarnOnly,
}

/// What becomes of a field that a Gateway or a listener sets when a policy of a route disables it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inheritance {
    /// The route decides.
    Replaced,
    /// The field protects something that routes must not open: it stays in force, unless the Gateway allows it.
    Guarded,
}

/// A field of [`TrafficSettings`] that a policy sets or disables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatedField<'a> {
    /// The name in a resource.
    pub name: &'static str,
    /// The meaning where requests cannot be read.
    pub in_tunnel: InTunnel,
    /// The policy that sets or disables the field.
    pub policy: &'a ObjectRef,
    /// Whether the policy disables the field.
    pub is_disabled: bool,
}

impl<T> PolicySetting<T> {
    /// The value, if a policy sets one.
    pub const fn value(&self) -> Option<&Arc<T>> {
        match self {
            Self::Set(_, value) => Some(value),
            Self::Unset | Self::Disabled(_) => None,
        }
    }

    /// The policy that sets or disables the field.
    pub const fn policy(&self) -> Option<&ObjectRef> {
        match self {
            Self::Set(policy, _) | Self::Disabled(policy) => Some(policy),
            Self::Unset => None,
        }
    }

    /// Whether no policy sets or disables the field.
    pub const fn is_unset(&self) -> bool {
        matches!(self, Self::Unset)
    }

    /// Takes the setting of a lower layer if the field is unset here. Returns the policy that decides if both set it.
    fn merge(&mut self, lower: &Self) -> Option<ObjectRef>
    where
        T: Clone,
    {
        match (&*self, lower) {
            (_, Self::Unset) => None,
            (Self::Unset, lower) => {
                *self = lower.clone();
                None
            }
            (Self::Disabled(policy) | Self::Set(policy, _), _) => Some(policy.clone()),
        }
    }
}

macro_rules! define_settings {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $name:literal, $in_tunnel:ident, $inheritance:ident;)*) => {
        /// The settings of one TrafficPolicy, of all TrafficPolicies at one target, or of all that apply to a rule.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct TrafficSettings {
            $(
                $(#[$doc])*
                #[serde(rename = $name, skip_serializing_if = "PolicySetting::is_unset")]
                pub $field: PolicySetting<$type>,
            )*
        }

        impl TrafficSettings {
            /// The name of every field in a resource, in the order in which a request meets them.
            pub const FIELDS: &[(&str, InTunnel)] = &[$(($name, InTunnel::$in_tunnel)),*];

            /// Takes from a younger policy at the same target the fields that are unset here, and the rules of `acl` about
            /// other clients. Returns the fields that are overridden, each with the policy that decides it.
            pub fn merge_younger(&mut self, younger: &Self) -> Vec<(&'static str, ObjectRef)> {
                let mut overridden = self.merge(younger);
                if let (PolicySetting::Set(_, acl), PolicySetting::Set(_, more)) = (&mut self.acl, &younger.acl)
                    && !Arc::ptr_eq(acl, more)
                {
                    Arc::make_mut(acl).extend(more);
                    overridden.retain(|(name, _)| *name != "acl");
                }
                overridden
            }

            /// Takes from a lower layer (a younger policy, or a wider target) the fields that are unset here. Returns
            /// the fields of `lower` that are overridden, each with the policy that decides it.
            pub fn merge(&mut self, lower: &Self) -> Vec<(&'static str, ObjectRef)> {
                let mut overridden = Vec::new();
                $(overridden.extend(self.$field.merge(&lower.$field).map(|policy| ($name, policy)));)*
                overridden
            }

            /// Takes from the settings of the listener and the Gateway of a route what is unset here. What is
            /// [`Inheritance::Guarded`] there cannot be disabled here, unless `prefers_child`; rate limits of both hold.
            /// Returns the fields that are disabled here in vain, each with the policy that disables it and the policy that
            /// is in force.
            pub fn inherit(
                &mut self,
                parent: &Self,
                prefers_child: bool,
            ) -> Vec<(&'static str, ObjectRef, ObjectRef)> {
                let mut in_vain = Vec::new();
                $(if Inheritance::$inheritance == Inheritance::Guarded
                    && !prefers_child
                    && let PolicySetting::Disabled(by) = &self.$field
                    && let PolicySetting::Set(guard, _) = &parent.$field
                {
                    in_vain.push(($name, by.clone(), guard.clone()));
                    self.$field = parent.$field.clone();
                })*
                if let PolicySetting::Set(_, limits) = &mut self.rate_limit_local
                    && let PolicySetting::Set(_, wider) = &parent.rate_limit_local
                    && !Arc::ptr_eq(limits, wider)
                {
                    Arc::make_mut(limits).0.extend(wider.0.iter().cloned());
                }
                if let PolicySetting::Set(_, limits) = &mut self.rate_limit_global
                    && let PolicySetting::Set(_, wider) = &parent.rate_limit_global
                    && !Arc::ptr_eq(limits, wider)
                {
                    Arc::make_mut(limits).0.extend(wider.0.iter().cloned());
                }
                self.merge(parent);
                in_vain
            }

            /// The fields that a policy sets or disables.
            pub fn stated(&self) -> impl Iterator<Item = StatedField<'_>> {
                let fields = [$(self.$field.policy().map(|policy| StatedField {
                    name: $name,
                    in_tunnel: InTunnel::$in_tunnel,
                    policy,
                    is_disabled: self.$field.value().is_none(),
                })),*];
                fields.into_iter().flatten()
            }
        }
    };
}

traffic_policies!(define_settings);

impl TrafficSettings {
    /// The settings with the identity of what is kept at this target.
    #[must_use]
    pub fn attached_to(mut self, target: &str) -> Self {
        if let PolicySetting::Set(_, limits) = &mut self.rate_limit_local {
            Arc::make_mut(limits).attach_to(target);
        }
        self
    }

    /// The upgrades that are allowed: those of a policy, else the default.
    #[must_use]
    pub fn upgrades(&self) -> &AllowedUpgrades {
        match self.http_upgrade.value() {
            Some(upgrades) => upgrades,
            None => AllowedUpgrades::unconfigured(),
        }
    }
}

#[cfg(test)]
mod tests;
