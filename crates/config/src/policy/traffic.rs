//! The settings of TrafficPolicies: one list of fields, from which the struct, its merging and its report are made.
//!
//! Adding a policy means: its fields in `api`, its compiled form in a file beside this one, its reader in a file of
//! `compile/policy`, and a line in the list below. The order of the list is the order in which a request meets them.

use std::sync::Arc;

use serde::Serialize;

use super::api_key_auth::ApiKeyAuth;
use super::basic_auth::BasicAuth;
use super::header_modifiers::HeaderModifiers;
use super::http_upgrade::Upgrades;
use super::retry::RetryPolicy;
use crate::resources::ObjectRef;

/// Calls a macro with the list of fields: the name in Rust, the compiled type, the name in a resource, and what the
/// field means where the request cannot be read.
macro_rules! traffic_policies {
    ($callback:ident) => {
        $callback! {
            /// Lets in only users with their passwords.
            basic_auth: BasicAuth = "basicAuth", RefuseRule;
            /// Lets in only clients with their keys.
            api_key_auth: ApiKeyAuth = "apiKeyAuth", RefuseRule;
            /// What connections may become, besides HTTP.
            http_upgrade: Upgrades = "httpUpgrade", Applies;
            /// When a request is sent again.
            retry: RetryPolicy = "retry", Applies;
            /// Changes to the headers of requests and responses.
            header_modifiers: HeaderModifiers = "headerModifiers", WarnOnly;
        }
    };
}

pub(crate) use traffic_policies;

/// What a policy says about one field, and which policy that is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Setting<T> {
    /// No policy says anything.
    #[default]
    Unset,
    /// This policy switches the field off, whatever a wider policy says.
    Disabled(ObjectRef),
    /// This policy sets the field.
    Set(ObjectRef, Arc<T>),
}

/// What a field of a TrafficPolicy means for a rule whose requests cannot be read, because TLS is passed through
/// (TLSRoute).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InTunnel {
    /// The field needs nothing from the request, and holds as far as there is something for it to do.
    Applies,
    /// The field protects something and cannot: the rule refuses every connection, and the policy is reported.
    RefuseRule,
    /// The field does nothing, which harms nobody: the report warns.
    WarnOnly,
}

/// One field of [`TrafficSettings`] that a policy says something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatedField<'a> {
    /// The name in a resource.
    pub name: &'static str,
    /// What it means where the request cannot be read.
    pub in_tunnel: InTunnel,
    /// The policy that says it.
    pub policy: &'a ObjectRef,
    /// Whether the policy switches the field off.
    pub is_disabled: bool,
}

impl<T> Setting<T> {
    /// The value, if a policy sets one.
    pub const fn value(&self) -> Option<&Arc<T>> {
        match self {
            Self::Set(_, value) => Some(value),
            Self::Unset | Self::Disabled(_) => None,
        }
    }

    /// The policy that sets the field or switches it off.
    pub const fn policy(&self) -> Option<&ObjectRef> {
        match self {
            Self::Set(policy, _) | Self::Disabled(policy) => Some(policy),
            Self::Unset => None,
        }
    }

    /// Whether no policy says anything.
    pub const fn is_unset(&self) -> bool {
        matches!(self, Self::Unset)
    }

    /// Takes the setting of a lower layer if there is none here; gives the policy that decides if both say something.
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
    ($($(#[$doc:meta])* $field:ident: $type:ty = $name:literal, $in_tunnel:ident;)*) => {
        /// The settings of TrafficPolicies: of one policy, of all at one target, or those that hold for a rule.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct TrafficSettings {
            $(
                $(#[$doc])*
                #[serde(rename = $name, skip_serializing_if = "Setting::is_unset")]
                pub $field: Setting<$type>,
            )*
        }

        impl TrafficSettings {
            /// Every field by its name in a resource, in the order in which a request meets them.
            pub const FIELDS: &[(&str, InTunnel)] = &[$(($name, InTunnel::$in_tunnel)),*];

            /// Takes from a lower layer (a younger policy, or a wider target) the fields that are unset here. Gives the
            /// fields that `lower` states in vain, each with the policy that decides it.
            pub fn merge(&mut self, lower: &Self) -> Vec<(&'static str, ObjectRef)> {
                let mut lost = Vec::new();
                $(lost.extend(self.$field.merge(&lower.$field).map(|policy| ($name, policy)));)*
                lost
            }

            /// The fields that a policy says something about.
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
    /// What connections may become: as a policy says, else what an egress gateway is for.
    #[must_use]
    pub fn upgrades(&self) -> &Upgrades {
        match self.http_upgrade.value() {
            Some(upgrades) => upgrades,
            None => Upgrades::unconfigured(),
        }
    }
}

#[cfg(test)]
mod tests;
