//! Smokescreen's access lists (`acl.yaml`), and the address lists of its configuration.

use std::net::SocketAddr;

use egret_config::api::egret::{
    AllowedAddress, EgressAction, EgressAddresses, EgressClientSpec, EgressMode, EgressRuleSpec,
};
use egret_config::name::HostMatcher;
use serde::Deserialize;

use super::condition::{Condition, RuleBuilder};
use super::{Imported, LeftOut};

/// A file of either kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SmokescreenFile {
    version: Option<String>,
    services: Option<Vec<Service>>,
    default: Option<Service>,
    global_deny_list: Vec<String>,
    global_allow_list: Vec<String>,
    deny_ranges: Vec<String>,
    allow_ranges: Vec<String>,
    deny_addresses: Vec<String>,
    allow_addresses: Vec<String>,
    acl_file: Option<String>,
    unsafe_allow_private_ranges: bool,
    max_concurrent_requests: Option<u64>,
    max_request_rate: Option<f64>,
    resolver_addresses: Vec<String>,
}

/// What a role may reach.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Service {
    name: String,
    project: String,
    action: Option<Action>,
    allowed_domains: Vec<String>,
    allowed_external_proxies: Vec<String>,
    mitm_domains: Vec<serde_json::Value>,
}

/// What becomes of requests that no list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Open,
    Report,
    Enforce,
}

/// Turns a file.
///
/// # Errors
/// If it is none of Smokescreen's.
pub(super) fn import(text: &str) -> Result<Imported, String> {
    let file: SmokescreenFile = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let mut imported = Imported::default();
    let has_addresses = file.add_addresses(&mut imported);
    match &file.services {
        None if has_addresses || file.acl_file.is_some() => Ok(imported),
        None => {
            Err("neither access lists (services) nor lists of addresses of Smokescreen".to_owned())
        }
        Some(_) if file.version.as_deref() != Some("v1") => {
            Err("access lists of version v1 are known".to_owned())
        }
        Some(services) => {
            file.add_rules(services, &mut imported);
            Ok(imported)
        }
    }
}

impl SmokescreenFile {
    /// Adds the lists of addresses, and tells what else a configuration says. Returns whether there are any.
    fn add_addresses(&self, imported: &mut Imported) -> bool {
        // Those of single addresses may have a port, which lists of a policy have not.
        let socket = |address: &String| address.parse::<SocketAddr>().ok();
        let allow = self.allow_ranges.iter().cloned();
        let whole = self
            .allow_addresses
            .iter()
            .filter(|it| socket(it).is_none());
        let allow = allow.chain(whole.cloned());
        let ip = |address: &String| match socket(address) {
            Some(socket) => socket.ip().to_string(),
            None => address.clone(),
        };
        let deny = self.deny_ranges.iter().cloned();
        let deny = deny.chain(self.deny_addresses.iter().map(ip));
        for (list, what) in [
            (
                &self.allow_addresses,
                "not allowed: write it into the addresses of a rule with this port",
            ),
            (&self.deny_addresses, "denied at every port"),
        ] {
            let with_port = list.iter().filter(|it| socket(it).is_some());
            let told = with_port.map(|it| LeftOut::new(0, format!("{it}: {what}")));
            imported.left.extend(told);
        }
        let addresses = EgressAddresses {
            allow: allow.map(AllowedAddress::Net).collect(),
            deny: deny.collect(),
        };
        for (is_there, message) in [
            (self.acl_file.is_some(), "acl_file: import that file too"),
            (
                self.unsafe_allow_private_ranges,
                "unsafe_allow_private_ranges: write the networks that are needed into addresses.allow",
            ),
            (
                self.max_concurrent_requests.is_some() || self.max_request_rate.is_some(),
                "max_concurrent_requests, max_request_rate: write limits with maxConcurrent or tokenBucket",
            ),
            (
                !self.resolver_addresses.is_empty(),
                "resolver_addresses: write a ResolverPolicy",
            ),
        ] {
            if is_there {
                imported.left.push(LeftOut::new(0, message));
            }
        }
        let has_any = addresses != EgressAddresses::default();
        imported.policy.addresses = has_any.then_some(addresses);
        has_any
    }

    /// Adds the rules in the order in which Smokescreen asks its lists: that of the role, the global ones, and then the action
    /// of the role; and all of that for who has no list of his own.
    fn add_rules(&self, services: &[Service], imported: &mut Imported) {
        imported.notes.push(
            "Roles are the common names of client certificates: the listener has to validate them \
             (spec.tls.frontend of the Gateway).",
        );
        let roles: Vec<_> = services.iter().map(Service::client).collect();
        let audits_all = services
            .iter()
            .chain(&self.default)
            .all(|one| one.action() == Action::Report);
        if audits_all {
            imported.policy.mode = Some(EgressMode::Audit);
        }
        for service in services {
            service.tell(audits_all, &mut imported.left);
            let rule = service.allowed(&service.name, vec![service.client()]);
            self.add(rule, imported);
        }
        self.add_globals("roles", &roles, imported);
        for action in [Action::Enforce, Action::Report, Action::Open] {
            if self.default.is_none() && action.effect(audits_all) == EgressAction::Deny {
                // Nothing comes after it but the default action, which says the same.
                continue;
            }
            let with = services.iter().filter(|service| service.action() == action);
            let clients: Vec<_> = with.map(Service::client).collect();
            if !clients.is_empty() {
                let name = format!("roles-{}", action.as_str());
                let mut rule = RuleBuilder::new(action.effect(audits_all), name, "");
                rule.add(Condition::Clients(clients));
                imported.policy.rules.extend(rule.build());
            }
        }
        let Some(default) = &self.default else {
            imported.policy.default_action = Some(EgressAction::Deny);
            return;
        };
        default.tell(audits_all, &mut imported.left);
        let rule = default.allowed("default", Vec::new());
        self.add(rule, imported);
        self.add_globals("default", &[], imported);
        imported.policy.default_action = Some(default.action().effect(audits_all));
    }

    fn add_globals(&self, name: &str, clients: &[EgressClientSpec], imported: &mut Imported) {
        let lists = [
            ("deny", EgressAction::Deny, &self.global_deny_list),
            ("allow", EgressAction::Allow, &self.global_allow_list),
        ];
        for (what, action, hosts) in lists {
            let rule = rule(
                action,
                format!("global-{what}-{name}"),
                "",
                hosts,
                clients.to_vec(),
            );
            self.add(rule, imported);
        }
    }

    fn add(&self, (rule, wrong): (Option<EgressRuleSpec>, Vec<String>), imported: &mut Imported) {
        imported.policy.rules.extend(rule);
        for host in wrong {
            imported.left.push(LeftOut::new(
                0,
                format!("{host}: no name, address or *.name"),
            ));
        }
    }
}

impl Service {
    fn action(&self) -> Action {
        self.action.unwrap_or(Action::Enforce)
    }

    /// Who has the role.
    fn client(&self) -> EgressClientSpec {
        let name = self.name.replace('\\', "\\\\").replace(',', "\\,");
        EgressClientSpec {
            certificate: Some(format!("CN={name}")),
            ..EgressClientSpec::default()
        }
    }

    fn allowed(
        &self,
        name: &str,
        clients: Vec<EgressClientSpec>,
    ) -> (Option<EgressRuleSpec>, Vec<String>) {
        let project = match &*self.project {
            "" => String::new(),
            project => format!("project {project}"),
        };
        rule(
            EgressAction::Allow,
            name.to_owned(),
            &project,
            &self.allowed_domains,
            clients,
        )
    }

    /// Tells what of the list has no place in a policy.
    fn tell(&self, audits_all: bool, left: &mut Vec<LeftOut>) {
        let name = if self.name.is_empty() {
            "default"
        } else {
            &self.name
        };
        let mut tell = |message: &str| left.push(LeftOut::new(0, format!("{name}: {message}")));
        if self.action() == Action::Report && !audits_all {
            tell(
                "action report: a policy audits all or nothing, so that all is allowed and nothing is reported",
            );
        }
        if !self.allowed_external_proxies.is_empty() {
            tell("allowed_external_proxies: clients do not choose other proxies");
        }
        if !self.mitm_domains.is_empty() {
            tell("mitm_domains: TLS is not opened");
        }
    }
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Report => "report",
            Self::Enforce => "enforce",
        }
    }

    /// What becomes of a request, in a policy that audits all or enforces all.
    const fn effect(self, audits_all: bool) -> EgressAction {
        match self {
            Self::Open => EgressAction::Allow,
            Self::Report if !audits_all => EgressAction::Allow,
            Self::Report | Self::Enforce => EgressAction::Deny,
        }
    }
}

/// A rule for these hosts; none if there are none. The hosts that are none come beside it.
fn rule(
    action: EgressAction,
    name: String,
    reason: &str,
    hosts: &[String],
    clients: Vec<EgressClientSpec>,
) -> (Option<EgressRuleSpec>, Vec<String>) {
    let hosts = hosts.iter().map(|host| host.to_lowercase());
    let (hosts, wrong): (Vec<_>, Vec<_>) = hosts.partition(|host| HostMatcher::parse(host).is_ok());
    if hosts.is_empty() {
        return (None, wrong);
    }
    let mut rule = RuleBuilder::new(action, name, reason);
    rule.add(Condition::Hosts(hosts));
    if !clients.is_empty() {
        rule.add(Condition::Clients(clients));
    }
    (rule.build(), wrong)
}

#[cfg(test)]
mod tests;
