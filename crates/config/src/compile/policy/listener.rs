//! ListenerPolicy and HTTPListenerPolicy: the access log, which can be turned off, and limits of connections.

use std::time::Duration;

use super::{Draft, Outcome, Policies};
use crate::api::kgateway::{
    HttpListenerPolicySpec, HttpSettings, ListenerPolicySpec, ListenerSettings, Unsupported,
};
use crate::api::target::TargetSelector;
use crate::compile::log::{Fault, Log};
use crate::compile::target::{TargetKinds, Targets};
use crate::compile::value::{Fields, MOST};
use crate::resources::{Kind, oldest_first};
use crate::snapshot::{ConnectionLimits, FOREVER};

const TARGETS: TargetKinds = TargetKinds::only(&[Kind::Gateway]);

/// What policies say about connections; `None` is nothing, and zero times are for ever.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Connections {
    idle_timeout: Option<Duration>,
    stream_idle_timeout: Option<Duration>,
    max_header_fields: Option<usize>,
    max_head: Option<usize>,
    max_requests: Option<u32>,
}

/// What a policy says.
#[derive(Default)]
struct Said {
    access_log_off: bool,
    connections: Connections,
}

pub(super) fn compile(targets: Targets<'_>, policies: &mut Policies, log: &mut Log) {
    for (reference, object) in oldest_first(&targets.resources.listener_policies) {
        let ListenerPolicySpec {
            target_refs,
            target_selectors,
            default,
            per_port,
        } = &object.value.spec;
        let mut draft = Draft::new(reference, &object.source, target_refs, TARGETS);
        select(targets, target_selectors, &mut draft);
        if per_port.is_some() {
            draft.faults.push(Fault::unsupported("spec.perPort"));
        }
        let said = default
            .as_ref()
            .map(|default| settings(default, &mut draft.faults));
        finish(draft, &said.unwrap_or_default(), targets, policies, log);
    }
    for (reference, object) in oldest_first(&targets.resources.http_listener_policies) {
        let spec = &object.value.spec;
        let mut draft = Draft::new(reference, &object.source, &spec.target_refs, TARGETS);
        for (index, target) in spec.target_refs.iter().enumerate() {
            if target.section_name.is_some() {
                let field = format!("spec.targetRefs[{index}].sectionName");
                draft.faults.push(Fault::new(
                    field,
                    "an HTTPListenerPolicy applies to a whole Gateway",
                ));
            }
        }
        select(targets, &spec.target_selectors, &mut draft);
        let said = http(&Http::from(spec), "spec", &mut draft.faults);
        finish(draft, &said, targets, policies, log);
    }
}

fn select(targets: Targets<'_>, selectors: &[TargetSelector], draft: &mut Draft<'_>) {
    draft.select(targets, selectors, TARGETS);
    if selectors.is_empty() {
        draft.needs_a_target();
    }
}

fn settings(settings: &ListenerSettings, faults: &mut Vec<Fault>) -> Said {
    faults.extend(
        settings
            .unsupported()
            .map(|name| Fault::unsupported(format!("spec.default.{name}"))),
    );
    let spec = settings.http_settings.as_ref();
    spec.map(|spec| http(&Http::from(spec), "spec.default.httpSettings", faults))
        .unwrap_or_default()
}

/// What both kinds can say about HTTP.
struct Http<'a> {
    access_log: Option<&'a [Unsupported]>,
    idle_timeout: Option<&'a str>,
    stream_idle_timeout: Option<&'a str>,
    max_headers_count: Option<i64>,
    max_request_headers_kb: Option<i64>,
    max_requests_per_connection: Option<i64>,
    unsupported: Vec<&'static str>,
}

macro_rules! http_from {
    ($kind:ident) => {
        impl<'a> From<&'a $kind> for Http<'a> {
            fn from(spec: &'a $kind) -> Self {
                Self {
                    access_log: spec.access_log.as_deref(),
                    idle_timeout: spec.idle_timeout.as_deref(),
                    stream_idle_timeout: spec.stream_idle_timeout.as_deref(),
                    max_headers_count: spec.max_headers_count,
                    max_request_headers_kb: spec.max_request_headers_kb,
                    max_requests_per_connection: spec.max_requests_per_connection,
                    unsupported: spec.unsupported().collect(),
                }
            }
        }
    };
}

http_from!(HttpSettings);
http_from!(HttpListenerPolicySpec);

fn http(spec: &Http<'_>, at: &str, faults: &mut Vec<Fault>) -> Said {
    let access_log_off = access_log(spec.access_log, at, faults);
    let mut fields = Fields::new(at, faults);
    fields.unsupported(spec.unsupported.iter().copied());
    let kibibytes = fields.number(
        "maxRequestHeadersKb",
        spec.max_request_headers_kb,
        &(1..=8192),
    );
    let requests = fields.number(
        "maxRequestsPerConnection",
        spec.max_requests_per_connection,
        &(0..=MOST),
    );
    let connections = Connections {
        idle_timeout: fields.time("idleTimeout", spec.idle_timeout, Duration::ZERO),
        stream_idle_timeout: fields.time(
            "streamIdleTimeout",
            spec.stream_idle_timeout,
            Duration::ZERO,
        ),
        max_header_fields: fields.number("maxHeadersCount", spec.max_headers_count, &(1..=10_000)),
        max_head: kibibytes.map(|count: usize| count * 1024),
        max_requests: requests,
    };
    Said {
        access_log_off,
        connections,
    }
}

fn access_log(sinks: Option<&[Unsupported]>, field: &str, faults: &mut Vec<Fault>) -> bool {
    let sinks = sinks.map(<[Unsupported]>::len);
    for index in 0..sinks.unwrap_or_default() {
        faults.push(Fault::unsupported(format!("{field}.accessLog[{index}]")));
    }
    sinks == Some(0)
}

fn finish(
    draft: Draft<'_>,
    said: &Said,
    targets: Targets<'_>,
    policies: &mut Policies,
    log: &mut Log,
) {
    draft.finish(targets, policies, log, |policies, target| {
        if said.access_log_off {
            policies.access_log_off.insert(target.clone());
        }
        let connections = policies.connections.entry(target.clone()).or_default();
        connections.add(&said.connections);
        Outcome::Attached
    });
}

impl Connections {
    /// Takes from a younger or wider policy what has not been said.
    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            idle_timeout,
            stream_idle_timeout,
            max_header_fields,
            max_head,
            max_requests,
        } = self;
        *idle_timeout = idle_timeout.or(other.idle_timeout);
        *stream_idle_timeout = stream_idle_timeout.or(other.stream_idle_timeout);
        *max_header_fields = max_header_fields.or(other.max_header_fields);
        *max_head = max_head.or(other.max_head);
        *max_requests = max_requests.or(other.max_requests);
    }

    pub(super) fn limits(&self) -> ConnectionLimits {
        let default = ConnectionLimits::default();
        let idle_timeout = self.idle_timeout.unwrap_or(default.idle_timeout);
        let stream = self.stream_idle_timeout.or(default.stream_idle_timeout);
        ConnectionLimits {
            idle_timeout: Some(idle_timeout)
                .filter(|time| !time.is_zero())
                .unwrap_or(FOREVER),
            stream_idle_timeout: stream.filter(|time| !time.is_zero()),
            max_header_fields: self.max_header_fields.unwrap_or(default.max_header_fields),
            max_head: self.max_head.unwrap_or(default.max_head),
            max_requests: self.max_requests.filter(|most| *most > 0),
            ..default
        }
    }
}
