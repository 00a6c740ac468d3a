//! Conditions of imported rules: as fields of a rule where it has one, and as expressions elsewhere.

use egret_config::api::egret::{EgressAction, EgressClientSpec, EgressRuleSpec, PortText};
use ipnet::IpNet;

/// The longest reason of a rule.
const MAX_REASON: usize = 200;

/// A condition that a rule of an EgressPolicy can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It holds for every request.
    Always,
    /// It holds for none.
    Never,
    /// Names, `*.name` for all names below one, and addresses.
    Hosts(Vec<String>),
    /// Ports and ranges of ports, both ends included.
    Ports(Vec<(u16, u16)>),
    Methods(Vec<String>),
    Clients(Vec<EgressClientSpec>),
    /// An expression in CEL.
    When(String),
}

impl Condition {
    /// Whether it is a list of nothing.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Hosts(hosts) => hosts.is_empty(),
            Self::Ports(ports) => ports.is_empty(),
            Self::Methods(methods) => methods.is_empty(),
            Self::Clients(clients) => clients.is_empty(),
            Self::Always | Self::Never | Self::When(_) => false,
        }
    }

    /// The opposite, if that can be said.
    pub(super) fn negated(&self) -> Option<Self> {
        Some(match self {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            other => Self::When(format!("!({})", other.expression()?)),
        })
    }

    /// A condition that holds if any of these does; `None` if that cannot be said.
    pub(super) fn any(conditions: &[Self]) -> Option<Self> {
        match conditions {
            [one] => Some(one.clone()),
            many if many.contains(&Self::Always) => Some(Self::Always),
            many => {
                let expressions: Option<Vec<_>> = many.iter().map(Self::expression).collect();
                Some(Self::When(any_of(&expressions?)))
            }
        }
    }

    /// A condition that holds if all of these do; `None` if that cannot be said.
    pub(super) fn all(conditions: &[Self]) -> Option<Self> {
        match conditions {
            [one] => Some(one.clone()),
            many if many.contains(&Self::Never) => Some(Self::Never),
            many => {
                let told = many.iter().filter(|condition| **condition != Self::Always);
                let expressions: Option<Vec<_>> = told.map(Self::expression).collect();
                Some(Self::When(format!("({})", expressions?.join(" && "))))
            }
        }
    }

    /// The condition in CEL; networks have no words in it.
    fn expression(&self) -> Option<String> {
        Some(match self {
            Self::Always => "true".to_owned(),
            Self::Never => "false".to_owned(),
            Self::When(expression) => expression.clone(),
            Self::Hosts(hosts) => {
                any_of(&hosts.iter().map(|host| is_host(host)).collect::<Vec<_>>())
            }
            Self::Ports(ports) => any_of(&ports.iter().map(is_port).collect::<Vec<_>>()),
            Self::Methods(methods) => {
                let quoted: Vec<_> = methods.iter().map(|method| quoted(method)).collect();
                format!("request.method in [{}]", quoted.join(", "))
            }
            Self::Clients(clients) => {
                let users: Option<Vec<_>> = clients.iter().map(is_user).collect();
                any_of(&users?)
            }
        })
    }
}

/// The networks of clients that are in both lists.
fn in_both(one: &[EgressClientSpec], other: &[EgressClientSpec]) -> Vec<EgressClientSpec> {
    let read = |client: &EgressClientSpec| client.source.as_ref()?.parse::<IpNet>().ok();
    let of_one = one.iter().filter_map(read);
    let both = of_one.flat_map(|net| {
        let others = other.iter().filter_map(read);
        // Of two networks, one is inside the other, or they have nothing in common.
        others.filter_map(
            move |other| match (net.contains(&other), other.contains(&net)) {
                (true, _) => Some(other),
                (false, true) => Some(net),
                (false, false) => None,
            },
        )
    });
    both.map(|net| network(&net)).collect()
}

/// The clients of a network.
pub(super) fn network(net: &IpNet) -> EgressClientSpec {
    EgressClientSpec {
        source: Some(net.to_string()),
        ..EgressClientSpec::default()
    }
}

fn any_of(expressions: &[String]) -> String {
    match expressions {
        [one] => one.clone(),
        many => format!("({})", many.join(" || ")),
    }
}

fn is_host(host: &str) -> String {
    match host.strip_prefix('*') {
        Some(below) => format!("egress.host.endsWith({})", quoted(below)),
        None => format!("egress.host == {}", quoted(host)),
    }
}

fn is_port((first, last): &(u16, u16)) -> String {
    if first == last {
        format!("egress.port == {first}")
    } else {
        format!("(egress.port >= {first} && egress.port <= {last})")
    }
}

fn is_user(client: &EgressClientSpec) -> Option<String> {
    let user = client.user.as_ref()?;
    Some(match user.strip_suffix('*') {
        Some("") => "source.user != ''".to_owned(),
        Some(beginning) => format!("source.user.startsWith({})", quoted(beginning)),
        None => format!("source.user == {}", quoted(user)),
    })
}

/// A text as a literal of CEL.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A rule, as its conditions come.
#[derive(Debug)]
pub(super) struct RuleBuilder {
    rule: EgressRuleSpec,
    whens: Vec<String>,
    never: bool,
}

impl RuleBuilder {
    /// A rule for every request. `reason` is told where the rule decides.
    pub(super) fn new(action: EgressAction, name: String, reason: &str) -> Self {
        let reason: String = reason.chars().take(MAX_REASON).collect();
        Self {
            rule: EgressRuleSpec {
                name: Some(name),
                action,
                reason: Some(reason).filter(|reason| !reason.is_empty()),
                ..EgressRuleSpec::default()
            },
            whens: Vec::new(),
            never: false,
        }
    }

    /// Adds a condition.
    pub(super) fn add(&mut self, condition: Condition) {
        let rule = &mut self.rule;
        match condition {
            Condition::Always => {}
            Condition::Never => self.never = true,
            Condition::Hosts(hosts) if rule.hosts.is_none() => rule.hosts = Some(hosts),
            Condition::Ports(ports) if rule.ports.is_none() => {
                rule.ports = Some(ports.iter().map(port_text).collect());
            }
            Condition::Methods(methods) if rule.methods.is_none() => rule.methods = Some(methods),
            Condition::Clients(clients) => self.add_clients(clients),
            other => self.whens.extend(other.expression()),
        }
    }

    /// Adds clients. Users can be told by an expression too, and networks in one list alone.
    fn add_clients(&mut self, clients: Vec<EgressClientSpec>) {
        let Some(known) = self.rule.clients.take() else {
            self.rule.clients = Some(clients);
            return;
        };
        let words =
            |clients: &[EgressClientSpec]| Condition::Clients(clients.to_vec()).expression();
        let networks = match (words(&known), words(&clients)) {
            (users @ Some(_), _) => {
                self.whens.extend(users);
                clients
            }
            (None, users @ Some(_)) => {
                self.whens.extend(users);
                known
            }
            (None, None) => in_both(&known, &clients),
        };
        self.never |= networks.is_empty();
        self.rule.clients = Some(networks);
    }

    /// Whether the rule is for every request.
    pub(super) fn is_unconditional(&self) -> bool {
        let EgressRuleSpec {
            hosts,
            ports,
            methods,
            clients,
            ..
        } = &self.rule;
        let has_none = hosts.is_none() && ports.is_none() && methods.is_none() && clients.is_none();
        has_none && self.whens.is_empty() && !self.never
    }

    /// The clients that it is for.
    pub(super) fn into_clients(self) -> Vec<EgressClientSpec> {
        self.rule.clients.unwrap_or_default()
    }

    /// The rule; `None` if it is for no request.
    pub(super) fn build(mut self) -> Option<EgressRuleSpec> {
        if !self.whens.is_empty() {
            self.rule.when = Some(self.whens.join(" && "));
        }
        Some(self.rule).filter(|_| !self.never)
    }
}

fn port_text((first, last): &(u16, u16)) -> PortText {
    if first == last {
        PortText::Number(i64::from(*first))
    } else {
        PortText::Text(format!("{first}-{last}"))
    }
}
