//! EgressPolicies that the program writes.

use std::fmt;
use std::str::FromStr;

use egret_config::api::egret::{EgressPolicy, EgressPolicySpec};
use egret_config::api::suggest::did_you_mean;
use egret_config::api::target::TargetRef;
use egret_config::resources::{Kind, ObjectRef};

/// The kinds that an EgressPolicy can be for.
const KINDS: [Kind; 6] = [
    Kind::Gateway,
    Kind::ListenerSet,
    Kind::HttpRoute,
    Kind::GrpcRoute,
    Kind::TlsRoute,
    Kind::Backend,
];

/// What a policy is for: `KIND/NAMESPACE/NAME`, or `KIND/NAMESPACE/NAME/SECTION` for a listener or a rule of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PolicyTarget {
    pub(crate) object: ObjectRef,
    /// A listener of a Gateway or a ListenerSet, or a named rule of a route.
    pub(crate) section: Option<String>,
}

impl PolicyTarget {
    /// All of an object.
    pub(crate) fn all_of(object: ObjectRef) -> Self {
        let section = None;
        Self { object, section }
    }
}

impl fmt::Display for PolicyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ObjectRef {
            kind,
            namespace,
            name,
        } = &self.object;
        write!(f, "{kind}/{namespace}/{name}")?;
        match &self.section {
            Some(section) => write!(f, "/{section}"),
            None => Ok(()),
        }
    }
}

impl FromStr for PolicyTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('/');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let (Some(kind), Some(namespace), Some(name)) = (next(), next(), next()) else {
            return Err(
                "a kind, a namespace and a name are needed: Gateway/egress/http, or Gateway/egress/http/LISTENER, or \
                 HTTPRoute/apps/api/RULE"
                    .to_owned(),
            );
        };
        let section = parts.next().map(str::to_owned);
        if parts.next().is_some() || section.as_deref() == Some("") {
            return Err(
                "after the kind, the namespace and the name comes at most one section".to_owned(),
            );
        }
        let Some(kind) = KINDS.into_iter().find(|known| known.as_str() == kind) else {
            let names = KINDS.map(Kind::as_str);
            return Err(format!(
                "{kind} is not a kind that an EgressPolicy can be for: {}{}",
                names.join(", "),
                did_you_mean(kind, names)
            ));
        };
        if kind == Kind::Backend && section.is_some() {
            return Err("a Backend has no sections".to_owned());
        }
        let object = ObjectRef::new(kind, namespace, name);
        Ok(Self { object, section })
    }
}

/// A policy of this name for a target, which takes the place of the targets in `spec`.
pub(crate) fn object(spec: EgressPolicySpec, target: &PolicyTarget, name: &str) -> EgressPolicy {
    let PolicyTarget { object, section } = target;
    let spec = EgressPolicySpec {
        target_refs: vec![TargetRef {
            group: object.kind.group().to_owned(),
            kind: object.kind.as_str().to_owned(),
            name: object.name.to_string(),
            section_name: section.clone(),
        }],
        ..spec
    };
    let mut policy = EgressPolicy::new(name, spec);
    policy.metadata.namespace = Some(object.namespace.to_string());
    policy
}

/// The [`object`] as a YAML document.
///
/// # Errors
/// If it cannot be written as YAML.
pub(crate) fn yaml(
    spec: EgressPolicySpec,
    target: &PolicyTarget,
    name: &str,
) -> Result<String, String> {
    let yaml = serde_saphyr::to_string(&object(spec, target, name));
    let yaml = yaml.map_err(|error| error.to_string())?;
    Ok(format!("{}\n", yaml.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_written_as_it_is_read() {
        for text in [
            "Gateway/edge/out",
            "Gateway/edge/out/http",
            "ListenerSet/edge/more/tls",
            "HTTPRoute/apps/api/read",
            "TLSRoute/apps/api",
            "Backend/apps/anywhere",
        ] {
            let target: PolicyTarget = text.parse().unwrap();
            assert_eq!(target.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_target_is_told_what_to_write() {
        for (text, expected) in [
            ("", "a kind, a namespace and a name are needed"),
            ("edge/out", "a kind, a namespace and a name are needed"),
            ("Gateway/edge/", "a kind, a namespace and a name are needed"),
            ("Gateway/edge/out/", "at most one section"),
            ("Gateway/edge/out/a/b", "at most one section"),
            ("gateway/edge/out", "did you mean Gateway?"),
            (
                "Service/edge/out",
                "Service is not a kind that an EgressPolicy can be for: Gateway, ",
            ),
            ("Backend/edge/out/a", "a Backend has no sections"),
        ] {
            let told = text.parse::<PolicyTarget>().unwrap_err();
            assert!(told.contains(expected), "{text}: {told}");
        }
    }
}
