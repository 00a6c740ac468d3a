//! `spec.loadBalancer` of a BackendConfigPolicy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validation;

/// The rules for `spec.loadBalancer` of a BackendConfigPolicy.
fn balancer_rules() -> [serde_json::Value; 3] {
    [
        validation::rule(
            "!(has(self.localityType) && has(self.zoneAware))",
            "localityType and zoneAware are mutually exclusive",
        ),
        validation::rule(
            "!(has(self.zoneAware) && (has(self.ringHash) || has(self.maglev)))",
            "zoneAware is not supported with ringHash or maglev load balancers",
        ),
        validation::exactly_one(&["leastRequest", "roundRobin", "ringHash", "maglev", "random"]),
    ]
}

recognised! {
    /// `spec.loadBalancer` of a BackendConfigPolicy. At most one of the algorithms may be set.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[schemars(extend("x-kubernetes-validations" = balancer_rules()))]
    LoadBalancerSpec {
        /// Round robin.
        #[serde(default, rename = "roundRobin", skip_serializing_if = "Option::is_none")]
        round_robin: Option<RoundRobin>,
        /// The address with the fewest requests in progress, of some that are drawn at random.
        #[serde(default, rename = "leastRequest", skip_serializing_if = "Option::is_none")]
        least_request: Option<LeastRequest>,
        /// An address drawn at random.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        random: Option<RandomBalancer>,
        /// The same host of a Static Backend, and the same address of a name or Service, for requests that have the
        /// same in common.
        #[serde(default, rename = "ringHash", skip_serializing_if = "Option::is_none")]
        ring_hash: Option<RingHash>,
        /// As `ringHash`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        maglev: Option<Maglev>,
        /// Whether a connection to an address that its name no longer has is closed once its requests have ended;
        /// `true` by default.
        #[serde(
            default,
            rename = "closeConnectionsOnHostSetChange",
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(extend("x-egret-differs" = "`true` by default, because an egress gateway should follow a name whose addresses change"))]
        close_connections_on_host_set_change: Option<bool>,
    }
    unsupported {}
    without_effect {
        healthy_panic_threshold = "healthyPanicThreshold": "an unhealthy address is tried last, and never left out",
        locality_type = "localityType" as "string": "Egret does not know the zones of addresses",
        update_merge_window = "updateMergeWindow": "a change of addresses is taken over at once, and costs nothing elsewhere",
        zone_aware = "zoneAware" as "object": "Egret does not know the zones of addresses",
    }
}

/// `spec.loadBalancer.roundRobin` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoundRobin {
    /// Gives a new address its share of the requests bit by bit; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<SlowStartSpec>,
}

/// `spec.loadBalancer.leastRequest` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeastRequest {
    /// How many addresses are drawn, at least 2; 2 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32", extend("default" = 2))]
    pub choice_count: Option<i64>,
    /// Gives a new address its share of the requests bit by bit; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_start: Option<SlowStartSpec>,
}

/// `slowStart` of a load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlowStartSpec {
    /// How long an address counts as new; without it none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration")]
    pub window: Option<String>,
    /// How the share grows: evenly at `"1.0"`, above that faster at first; `"1.0"` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), extend("x-kubernetes-validations" = [validation::rule("double(self) > 0.0", "Aggression, if specified, must be a string representing a number greater than 0.0")]))]
    pub aggression: Option<String>,
    /// The share that an address begins with, in percent; 10 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::percentage")]
    pub min_weight_percent: Option<i64>,
}

/// `spec.loadBalancer.random` of a BackendConfigPolicy, which has no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct RandomBalancer {}

recognised! {
    /// `spec.loadBalancer.ringHash` of a BackendConfigPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    RingHash {
        /// What requests to the same host have in common.
        #[serde(default, rename = "hashPolicies", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(min = 1, max = 16))]
        hash_policies: Vec<HashPolicySpec>,
    }
    unsupported {}
    without_effect {
        minimum_ring_size = "minimumRingSize": "hosts are compared by their hashes with that of the request (rendezvous hashing), without a ring",
        maximum_ring_size = "maximumRingSize": "hosts are compared by their hashes with that of the request (rendezvous hashing), without a ring",
        use_hostname_for_hashing = "useHostnameForHashing": "hosts are chosen by their names, and their addresses by address, in any case",
    }
}

recognised! {
    /// `spec.loadBalancer.maglev` of a BackendConfigPolicy.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
    Maglev {
        /// What requests to the same host have in common.
        #[serde(default, rename = "hashPolicies", skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(min = 1, max = 16))]
        hash_policies: Vec<HashPolicySpec>,
    }
    unsupported {}
    without_effect {
        use_hostname_for_hashing = "useHostnameForHashing": "hosts are chosen by their names, and their addresses by address, in any case",
    }
}

/// `hashPolicies[]` of a load balancer. Exactly one of the members is set beside `terminal`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::exactly_one(&["header", "cookie", "sourceIP"])]))]
pub struct HashPolicySpec {
    /// The values of a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HashHeaderSpec>,
    /// The value of a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<HashCookieSpec>,
    /// The address of the client.
    #[serde(default, rename = "sourceIP", skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<HashSourceIp>,
    /// Whether the later entries are left out if the request has this one; `false` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<bool>,
}

/// `hashPolicies[].header` of a load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HashHeaderSpec {
    /// The name of the header.
    #[schemars(length(min = 1))]
    pub name: String,
}

/// `hashPolicies[].cookie` of a load balancer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HashCookieSpec {
    /// The name of the cookie.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The path of a cookie that is given to a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How long a cookie is valid that a client without one is given, `0s` for its session; without it none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "validation::duration")]
    pub ttl: Option<String>,
    /// Whether scripts cannot read the cookie that is given to a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_only: Option<bool>,
    /// Whether the cookie that is given to a client is sent over TLS alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secure: Option<bool>,
    /// Whether other sites' requests have the cookie that is given to a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Strict", "Lax", "None"]))]
    pub same_site: Option<String>,
}

/// `hashPolicies[].sourceIP` of a load balancer, which has no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct HashSourceIp {}
