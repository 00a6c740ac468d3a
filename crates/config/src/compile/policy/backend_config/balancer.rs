//! Compiles `loadBalancer` of a BackendConfigPolicy.

use std::sync::Arc;
use std::time::Duration;

use egret_api::kgateway::{
    HashCookieSpec, HashPolicySpec, LeastRequest, LoadBalancerSpec, Maglev, RandomBalancer,
    RingHash, RoundRobin, SlowStartSpec,
};
use http::HeaderName;

use crate::compile::log::FieldFault;
use crate::compile::value::{MAX_NUMBER, SpecFields};
use crate::snapshot::{HashCookie, HashKey, HashPolicy, LoadBalancing, SlowStart};

const AT: &str = "spec.loadBalancer";

/// `loadBalancer` of a BackendConfigPolicy.
#[derive(Clone, Debug, Default)]
pub(super) struct LoadBalancerLayer {
    pub(super) algorithm: LoadBalancing,
    pub(super) hash: Option<Arc<[HashPolicy]>>,
    pub(super) slow_start: Option<SlowStart>,
    pub(super) close_on_address_change: Option<bool>,
}

pub(super) fn read(spec: &LoadBalancerSpec, faults: &mut Vec<FieldFault>) -> LoadBalancerLayer {
    let LoadBalancerSpec {
        round_robin,
        least_request,
        random,
        close_connections_on_host_set_change,
        ring_hash,
        maglev,
        healthy_panic_threshold: _,
        locality_type: _,
        update_merge_window: _,
        zone_aware: _,
    } = spec;
    let algorithms = [
        least_request.is_some(),
        round_robin.is_some(),
        ring_hash.is_some(),
        maglev.is_some(),
        random.is_some(),
    ];
    // Without any algorithm, round robin is used, so that the other fields can be set alone.
    if algorithms.into_iter().filter(|is_set| *is_set).count() > 1 {
        let message = "exactly one of the fields in [leastRequest roundRobin ringHash maglev random] must be set";
        faults.push(FieldFault::new(AT, message));
    }
    let mut layer = LoadBalancerLayer {
        close_on_address_change: *close_connections_on_host_set_change,
        ..LoadBalancerLayer::default()
    };
    if let Some(RoundRobin { slow_start }) = round_robin {
        layer.slow_start = slow(slow_start.as_ref(), "roundRobin", faults);
    }
    if let Some(spec) = least_request {
        layer.algorithm = least_of(spec, faults);
        layer.slow_start = slow(spec.slow_start.as_ref(), "leastRequest", faults);
    }
    if let Some(RandomBalancer {}) = random {
        layer.algorithm = LoadBalancing::Random;
    }
    if let Some(spec) = ring_hash {
        let RingHash {
            hash_policies,
            minimum_ring_size: _,
            maximum_ring_size: _,
            use_hostname_for_hashing: _,
        } = spec;
        layer.algorithm = LoadBalancing::Hash;
        layer.hash = hash(hash_policies, "ringHash", faults);
    }
    if let Some(spec) = maglev {
        let Maglev {
            hash_policies,
            use_hostname_for_hashing: _,
        } = spec;
        layer.algorithm = LoadBalancing::Hash;
        layer.hash = hash(hash_policies, "maglev", faults);
    }
    layer
}

fn least_of(spec: &LeastRequest, faults: &mut Vec<FieldFault>) -> LoadBalancing {
    let LeastRequest {
        choice_count,
        slow_start: _,
    } = spec;
    let mut fields = SpecFields::new(format!("{AT}.leastRequest"), faults);
    let choices = fields.number("choiceCount", *choice_count, &(0..=MAX_NUMBER));
    // As Envoy does, at least two are drawn: one alone would be no choice.
    LoadBalancing::LeastRequest {
        choices: choices.unwrap_or(2).max(2),
    }
}

/// Without a window nothing starts slowly.
fn slow(
    spec: Option<&SlowStartSpec>,
    algorithm: &str,
    faults: &mut Vec<FieldFault>,
) -> Option<SlowStart> {
    let SlowStartSpec {
        window,
        aggression,
        min_weight_percent,
    } = spec?;
    let mut fields = SpecFields::new(format!("{AT}.{algorithm}.slowStart"), faults);
    let window = fields.time("window", window.as_deref(), Duration::ZERO);
    let thousandths = aggression.as_deref().map(|text| {
        let number = text.parse::<f64>().ok();
        let thousandths = number.and_then(|number| Duration::try_from_secs_f64(number).ok());
        let thousandths = thousandths.and_then(|time| u32::try_from(time.as_millis()).ok());
        thousandths.filter(|number| *number > 0).unwrap_or_else(|| {
            let message =
                "Aggression, if specified, must be a string representing a number greater than 0.0";
            fields.fault("aggression", message);
            1000
        })
    });
    let min_weight = fields.number("minWeightPercent", *min_weight_percent, &(0..=100));
    Some(SlowStart {
        window: window.filter(|window| !window.is_zero())?,
        aggression: thousandths.unwrap_or(1000),
        min_weight: min_weight.unwrap_or(10),
    })
}

fn hash(
    specs: &[HashPolicySpec],
    algorithm: &str,
    faults: &mut Vec<FieldFault>,
) -> Option<Arc<[HashPolicy]>> {
    let mut policies = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let at = format!("{AT}.{algorithm}.hashPolicies[{index}]");
        let mut fields = SpecFields::new(at, faults);
        if let Some(key) = key(spec, &mut fields) {
            let terminal = spec.terminal == Some(true);
            policies.push(HashPolicy { key, terminal });
        }
    }
    (!policies.is_empty()).then(|| policies.into())
}

fn key(spec: &HashPolicySpec, fields: &mut SpecFields<'_>) -> Option<HashKey> {
    let HashPolicySpec {
        header,
        cookie,
        source_ip,
        terminal: _,
    } = spec;
    match (header, cookie, source_ip) {
        (Some(header), None, None) => match HeaderName::from_bytes(header.name.as_bytes()) {
            Ok(name) => return Some(HashKey::Header(name)),
            Err(_) => fields.fault("header.name", "not a header name"),
        },
        (None, Some(cookie), None) => return hash_cookie(cookie, fields).map(HashKey::Cookie),
        (None, None, Some(_)) => return Some(HashKey::SourceIp),
        _ => {
            let message = "exactly one of the fields in [header cookie sourceIP] must be set";
            fields.struct_fault(message);
        }
    }
    None
}

fn hash_cookie(spec: &HashCookieSpec, fields: &mut SpecFields<'_>) -> Option<HashCookie> {
    let HashCookieSpec {
        name,
        path,
        ttl,
        http_only,
        secure,
        same_site,
    } = spec;
    let mut fields = fields.nested("cookie");
    // The name of a cookie is a token, as that of a field (RFC 6265 4.1.1).
    let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
    if !is_name {
        fields.fault("name", "not the name of a cookie");
    }
    let is_path = |path: &String| {
        path.bytes()
            .all(|byte| (b' '..=b'~').contains(&byte) && byte != b';')
    };
    if path.as_ref().is_some_and(|path| !is_path(path)) {
        fields.fault("path", "not the path of a cookie");
    }
    let ttl = fields.time("ttl", ttl.as_deref(), Duration::ZERO);
    let mut attributes = String::new();
    if let Some(path) = path.as_ref().filter(|path| is_path(path)) {
        attributes += &format!("; Path={path}");
    }
    match same_site.as_deref() {
        None => {}
        Some(mode @ ("Strict" | "Lax" | "None")) => attributes += &format!("; SameSite={mode}"),
        Some(_) => fields.fault("sameSite", "Strict, Lax and None are supported"),
    }
    for (attribute, is_set) in [("; Secure", *secure), ("; HttpOnly", *http_only)] {
        if is_set == Some(true) {
            attributes += attribute;
        }
    }
    is_name.then(|| HashCookie {
        name: name.as_str().into(),
        ttl,
        attributes: attributes.into(),
    })
}
