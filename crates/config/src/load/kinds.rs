//! Unknown kinds: which are mistakes, and which are for others.
//!
//! An object of a mistyped kind may be the policy that denies something. To skip it might allow everything.

use egret_api::suggest::{edits, nearest};

use crate::resources::{
    CORE_GROUP, EGRET_GROUP, GATEWAY_GROUP, GATEWAY_TRIAL_GROUP, KGATEWAY_GROUP, Kind,
};

/// The groups in which every kind that Egret does not recognise is a mistake. All their kinds are in the table.
const OWN_GROUPS: [&str; 4] = [
    GATEWAY_GROUP,
    GATEWAY_TRIAL_GROUP,
    KGATEWAY_GROUP,
    EGRET_GROUP,
];

/// An unknown group and kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UnknownKind {
    /// A mistake; with the kind that was meant, if it can be guessed.
    Mistake(Option<Kind>),
    /// A kind that is not for Egret.
    Foreign,
}

impl UnknownKind {
    /// Judges a group and kind that the table does not have.
    pub(super) fn of(group: &str, kind: &str) -> Self {
        let meant = meant(group, kind);
        if OWN_GROUPS.contains(&group) || meant.is_some() {
            Self::Mistake(meant)
        } else {
            Self::Foreign
        }
    }
}

/// The kind that was meant: a kind of this group that is written nearly so, or one of another group if nobody else
/// would write it.
fn meant(group: &str, kind: &str) -> Option<Kind> {
    let near_in = |group: &str| near(kind, |known| known.group() == group);
    let exact = || Kind::all().find(|known| known.as_str() == kind);
    let is_own = |known: &Kind| OWN_GROUPS.contains(&known.group());
    if OWN_GROUPS.contains(&group) {
        return near_in(group)
            .or_else(exact)
            .or_else(|| near(kind, |known| is_own(&known)));
    }
    // A group that was left out; and only Egret defines its own kinds.
    let elsewhere = exact()
        .filter(|known| known.group() == EGRET_GROUP || group == CORE_GROUP && is_own(known));
    let nearly_group = Kind::all()
        .map(Kind::group)
        .find(|known| *known != CORE_GROUP && edits(group, known).is_some());
    elsewhere
        .or_else(|| near_in(nearly_group?))
        .or_else(|| near_in(group))
}

/// The kind among those wanted whose name is nearest to this one.
fn near(name: &str, wanted: impl Fn(Kind) -> bool) -> Option<Kind> {
    let name = nearest(
        name,
        Kind::all().filter(|kind| wanted(*kind)).map(Kind::as_str),
    )?;
    Kind::all().find(|kind| wanted(*kind) && kind.as_str() == name)
}

/// The field that is mistaken, and the message that says what was probably meant.
pub(super) fn message(
    api_version: &str,
    group: &str,
    kind: &str,
    meant: Option<Kind>,
) -> (&'static str, String) {
    let written = |kind: Kind| match (kind.group(), kind.versions().first()) {
        (CORE_GROUP, Some(version)) => (*version).to_owned(),
        (group, Some(version)) => format!("{group}/{version}"),
        (group, None) => group.to_owned(),
    };
    match meant {
        Some(meant) if meant.group() == group => {
            let message = format!("{api_version} {kind} is not a kind; did you mean {meant}?");
            ("kind", message)
        }
        Some(meant) if meant.as_str() == kind => {
            let message = format!(
                "{api_version} {kind} is not a kind; did you mean {} {meant}?",
                written(meant)
            );
            ("apiVersion", message)
        }
        Some(meant) => {
            let message = format!(
                "{api_version} {kind} is not a kind; did you mean {} {meant}?",
                written(meant)
            );
            ("kind", message)
        }
        None => {
            let message = format!(
                "{api_version} {kind} is not a kind; of {group}, Egret reads {}",
                names_of(group)
            );
            ("kind", message)
        }
    }
}

/// The names of the kinds of a group that are read.
fn names_of(group: &str) -> String {
    let kinds = Kind::all().filter(|kind| kind.group() == group && !kind.versions().is_empty());
    let names: Vec<&str> = kinds.map(Kind::as_str).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_from_kinds_of_others() {
        let mistake = |kind| UnknownKind::Mistake(Some(kind));
        for (group, kind, expected) in [
            (KGATEWAY_GROUP, "TraficPolicy", mistake(Kind::TrafficPolicy)),
            (KGATEWAY_GROUP, "RoutePolicy", UnknownKind::Mistake(None)),
            (KGATEWAY_GROUP, "HTTPRoute", mistake(Kind::HttpRoute)),
            (GATEWAY_GROUP, "HttpRoute", mistake(Kind::HttpRoute)),
            (GATEWAY_GROUP, "XListenerSet", mistake(Kind::ListenerSet)),
            (GATEWAY_GROUP, "HTTPRouteList", UnknownKind::Mistake(None)),
            (EGRET_GROUP, "EgresPolicy", mistake(Kind::EgressPolicy)),
            (EGRET_GROUP, "Unheard", UnknownKind::Mistake(None)),
            // A group that is nearly one of those that Egret knows.
            (
                "gateway.kgatway.dev",
                "TrafficPolicy",
                mistake(Kind::TrafficPolicy),
            ),
            (
                "gateway.kgatway.dev",
                "TraficPolicy",
                mistake(Kind::TrafficPolicy),
            ),
            ("gateway.kgatway.dev", "Unheard", UnknownKind::Foreign),
            (
                "Gateway.networking.k8s.io",
                "Gateway",
                mistake(Kind::Gateway),
            ),
            ("egress.dev", "EgressPolicy", mistake(Kind::EgressPolicy)),
            // Egret's kinds are nobody else's.
            ("example.com", "EgressPolicy", mistake(Kind::EgressPolicy)),
            ("example.com", "Gateway", UnknownKind::Foreign),
            ("networking.istio.io", "Gateway", UnknownKind::Foreign),
            ("networking.k8s.io", "Ingress", UnknownKind::Foreign),
            // The core group has many kinds that Egret has no use for.
            ("", "Gateway", mistake(Kind::Gateway)),
            ("", "Secert", mistake(Kind::Secret)),
            ("", "Configmap", mistake(Kind::ConfigMap)),
            ("", "Pod", UnknownKind::Foreign),
            ("", "ServiceAccount", UnknownKind::Foreign),
            ("", "Endpoints", UnknownKind::Foreign),
            (
                "discovery.k8s.io",
                "EndpointSlices",
                mistake(Kind::EndpointSlice),
            ),
            ("apps", "Deployment", UnknownKind::Foreign),
            ("apps", "Secret", UnknownKind::Foreign),
        ] {
            assert_eq!(UnknownKind::of(group, kind), expected, "{group} {kind}");
        }
        assert_eq!(names_of(EGRET_GROUP), "EgressPolicy, ResolverPolicy");
    }
}
