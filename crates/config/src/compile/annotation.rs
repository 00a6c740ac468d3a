//! kgateway's annotations, which change what an object means: those that are obeyed are read here, and those that are
//! not are faults of their object.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use egret_api::suggest::nearest;
use http::StatusCode;
use kube::core::ObjectMeta;

use super::log::FieldFault;
use crate::resources::{Kind, LocatedObject, ObjectMap, ObjectRef};

/// A heavier policy takes precedence over a lighter one of the same target.
const POLICY_WEIGHT: &str = "kgateway.dev/policy-weight";
/// A heavier route takes precedence over a lighter one.
const ROUTE_WEIGHT: &str = "kgateway.dev/route-weight";
/// The status of redirects, in place of that in the filter.
const REDIRECT_STATUS: &str = "kgateway.dev/http-redirect-status-code";
/// How policies of a parent and of a child are merged.
const INHERITED_PRIORITY: &str = "kgateway.dev/inherited-policy-priority";
/// The way of merging that Egret has, which is kgateway's default.
const PREFER_CHILD: &str = "ShallowMergePreferChild";
const BUFFER_LIMIT: &str = "kgateway.dev/per-connection-buffer-limit";

const KNOWN: [&str; 5] = [
    POLICY_WEIGHT,
    ROUTE_WEIGHT,
    REDIRECT_STATUS,
    INHERITED_PRIORITY,
    BUFFER_LIMIT,
];

/// The annotations of kgateway's route delegation.
const DELEGATION: &str = "delegation.kgateway.dev/";

/// The faults of an object's annotations: values that are not valid, and annotations that are not supported.
pub(super) fn faults(kind: Kind, meta: &ObjectMeta) -> Vec<FieldFault> {
    let annotations = meta.annotations.iter().flatten();
    annotations
        .filter_map(|(name, value)| {
            let message = fault(kind, name, value)?;
            Some(FieldFault::new(field(name), message))
        })
        .collect()
}

fn field(name: &str) -> String {
    format!("metadata.annotations.{name}")
}

fn fault(kind: Kind, name: &str, value: &str) -> Option<String> {
    let is_route = matches!(kind, Kind::HttpRoute | Kind::GrpcRoute);
    match name {
        POLICY_WEIGHT if has_weight(kind) => number(value).err(),
        ROUTE_WEIGHT if is_route => number(value).err(),
        REDIRECT_STATUS if kind == Kind::HttpRoute => RedirectStatuses::parse(value).err(),
        INHERITED_PRIORITY if value == PREFER_CHILD => None,
        INHERITED_PRIORITY => Some(format!("{value} is not supported yet; {PREFER_CHILD} is")),
        BUFFER_LIMIT => Some("not supported yet".to_owned()),
        // These have no meaning on an object of this kind.
        POLICY_WEIGHT | ROUTE_WEIGHT | REDIRECT_STATUS => None,
        name if name.starts_with(DELEGATION) => Some("not supported yet".to_owned()),
        name => {
            let known = nearest(name, KNOWN)?;
            Some(format!("unknown annotation; did you mean {known}?"))
        }
    }
}

/// Whether routes of a Gateway may take away what the Gateway guards, which is kgateway's order.
pub(super) fn prefers_child(meta: &ObjectMeta) -> bool {
    let annotations = meta.annotations.as_ref();
    annotations
        .and_then(|all| all.get(INHERITED_PRIORITY))
        .is_some_and(|value| value == PREFER_CHILD)
}

/// Whether policies of this kind have weights.
fn has_weight(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::TrafficPolicy
            | Kind::ListenerPolicy
            | Kind::HttpListenerPolicy
            | Kind::BackendConfigPolicy
    )
}

fn number(text: &str) -> Result<i64, String> {
    text.parse::<i32>()
        .map(i64::from)
        .map_err(|_| "not a whole number".to_owned())
}

/// A weight; 0 if there is none.
fn weight(meta: &ObjectMeta, name: &str) -> i64 {
    let text = meta.annotations.as_ref().and_then(|all| all.get(name));
    text.and_then(|text| number(text).ok()).unwrap_or_default()
}

/// The weight of a policy; 0 if it has none.
pub(super) fn policy_weight(meta: &ObjectMeta) -> i64 {
    weight(meta, POLICY_WEIGHT)
}

/// The weight of a route; 0 if it has none.
pub(super) fn route_weight(meta: &ObjectMeta) -> i64 {
    weight(meta, ROUTE_WEIGHT)
}

/// All policies of a kind that has weights, in the order in which they take precedence: heaviest first, then oldest.
pub(super) fn heaviest_first<T: kube::Resource>(
    objects: &ObjectMap<T>,
) -> Vec<(&ObjectRef, &LocatedObject<T>)> {
    let mut list: Vec<_> = objects.iter().collect();
    list.sort_by_cached_key(|(reference, object)| {
        let weight = policy_weight(object.value.meta());
        (Reverse(weight), object.seniority(reference))
    });
    list
}

/// The statuses of redirects, as an annotation sets them: for all rules, and for rules by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RedirectStatuses {
    all: Option<StatusCode>,
    by_rule: BTreeMap<String, StatusCode>,
}

impl RedirectStatuses {
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        let annotations = meta.annotations.as_ref();
        let text = annotations.and_then(|all| all.get(REDIRECT_STATUS));
        let parsed = text.and_then(|text| Self::parse(text).ok());
        parsed.unwrap_or_default()
    }

    /// Parses `307`, or `rule=307` for one rule, or several of these with commas between.
    fn parse(text: &str) -> Result<Self, String> {
        let mut statuses = Self::default();
        for item in text.split(',').map(str::trim) {
            let (rule, code) = match item.split_once('=') {
                Some((rule, code)) => (Some(rule.trim()), code.trim()),
                None => (None, item),
            };
            let status = match code {
                "301" => StatusCode::MOVED_PERMANENTLY,
                "302" => StatusCode::FOUND,
                "303" => StatusCode::SEE_OTHER,
                "307" => StatusCode::TEMPORARY_REDIRECT,
                "308" => StatusCode::PERMANENT_REDIRECT,
                _ => return Err("301, 302, 303, 307 or 308 is allowed".to_owned()),
            };
            match rule {
                Some(rule) => drop(statuses.by_rule.insert(rule.to_owned(), status)),
                None => statuses.all = Some(status),
            }
        }
        Ok(statuses)
    }

    /// The status of the redirects of a rule, if it is set.
    pub(super) fn for_rule(&self, name: Option<&str>) -> Option<StatusCode> {
        let own = name.and_then(|name| self.by_rule.get(name));
        own.copied().or(self.all)
    }
}
