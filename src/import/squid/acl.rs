//! Squid's `acl` lines, and what each means as a condition.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use egret_config::api::egret::EgressClientSpec;
use egret_config::expression::{AbsentHeaders, Expression};
use egret_config::name::HostMatcher;
use ipnet::{IpNet, IpSubnets, Ipv4Subnets, Ipv6Subnets};

use super::Acls;
use crate::import::condition::{Condition, quoted};

/// The most groups that may be inside one another.
const MAX_DEPTH: usize = 16;

/// The list of requests to the manager of the cache.
const MANAGER: &str = "manager";
/// Protocols of URLs that are not spoken here.
const UNKNOWN_PROTOCOLS: &[&str] = &["cache_object", "ftp", "gopher", "wais", "whois", "urn"];
/// The networks of sources that no client has (RFC 1122 3.2.1.3); the usual configuration names them.
const NO_SOURCE: &str = "0.0.0.0/8";

/// A named access list.
#[derive(Debug)]
pub(super) struct Acl {
    /// Its type, as `dstdomain`.
    kind: String,
    pub(super) meaning: AclMeaning,
    /// Whether values of it are missing, so that it is for fewer requests than there.
    is_partial: bool,
}

/// What an access list says.
#[derive(Debug)]
pub(super) enum AclMeaning {
    Condition(Condition),
    /// Addresses that hosts lead to.
    Destinations(Vec<String>),
    /// Lines with the names of other lists: all of a line must hold, or any.
    Group {
        all: bool,
        lines: Vec<Vec<String>>,
    },
    /// Why it cannot be said.
    Unknown(String),
}

impl Acl {
    fn new(kind: &str, meaning: AclMeaning) -> Self {
        Self {
            kind: kind.to_owned(),
            meaning,
            is_partial: false,
        }
    }

    pub(super) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Whether it tells users apart.
    pub(super) fn is_by_user(&self) -> bool {
        matches!(&*self.kind, "proxy_auth" | "proxy_auth_regex")
    }
}

/// The lists that Squid knows without an `acl` line.
pub(super) fn predefined() -> Acls {
    let is = |kind: &str, condition| Acl::new(kind, AclMeaning::Condition(condition));
    let to = |networks: &[&str]| {
        let networks = networks.iter().map(|network| (*network).to_owned());
        Acl::new("dst", AclMeaning::Destinations(networks.collect()))
    };
    [
        ("all", is("src", Condition::Always)),
        // There is no cache, and no manager of it.
        (MANAGER, is("url_regex", Condition::Never)),
        (
            "localhost",
            is("src", clients(&["127.0.0.1/32", "::1/128"])),
        ),
        ("to_localhost", to(&[])),
        ("to_linklocal", to(&[])),
        ("connect", is("method", tunnel())),
    ]
    .map(|(name, acl)| (name.to_owned(), acl))
    .into()
}

fn clients(networks: &[&str]) -> Condition {
    let networks = networks.iter().map(|network| EgressClientSpec {
        source: Some((*network).to_owned()),
        ..EgressClientSpec::default()
    });
    Condition::Clients(networks.collect())
}

fn tunnel() -> Condition {
    Condition::When("request.form == 'connect'".to_owned())
}

/// Reads what is after `acl`: `NAME TYPE [-FLAGS] VALUES`. Several lines of a name are one list.
pub(super) fn define(acls: &mut Acls, words: &[String], path: &Path, left: &mut Vec<String>) {
    let [name, kind, values @ ..] = words else {
        left.push("acl: a name, a type and values are needed".to_owned());
        return;
    };
    let key = name.to_lowercase();
    if key == MANAGER {
        // Files that are older than Squid 3.2 say what it is.
        return;
    }
    let (flags, values): (Vec<_>, Vec<_>) = values.iter().partition(|word| word.starts_with('-'));
    let mut all = Vec::new();
    let mut is_partial = false;
    for value in values {
        match value
            .strip_prefix('"')
            .and_then(|value| value.strip_suffix('"'))
        {
            None => all.push(value.clone()),
            Some(file) => match listed(file, path) {
                Ok(lines) => all.extend(lines),
                Err(error) => {
                    is_partial = true;
                    left.push(format!("acl {name}: {error}"));
                }
            },
        }
    }
    let any_case = flags.contains(&&"-i".to_owned());
    let meaning = meaning(kind, &all, any_case, |value, why| {
        // No request is for what is no name.
        is_partial |= kind != "dstdomain";
        left.push(format!("acl {name}: {value}: {why}"));
    });
    match acls.get_mut(&key) {
        Some(known) if !matches!(known.meaning, AclMeaning::Unknown(_)) && known.kind == *kind => {
            known.meaning.join(meaning);
            known.is_partial |= is_partial;
        }
        _ => {
            let acl = Acl {
                is_partial,
                ..Acl::new(kind, meaning)
            };
            acls.insert(key, acl);
        }
    }
}

/// The values in a file, one a line. A file that is not there is looked for beside the configuration.
fn listed(file: &str, path: &Path) -> Result<Vec<String>, String> {
    let beside = Path::new(file)
        .file_name()
        .map(|name| path.with_file_name(name));
    let text = fs::read_to_string(file)
        .or_else(|error| beside.map_or(Err(error), fs::read_to_string))
        .map_err(|error| format!("{file}: {error}"))?;
    let lines = text.lines().map(str::trim);
    let values = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(values.map(str::to_owned).collect())
}

impl AclMeaning {
    /// Adds what a later line of the same name says.
    fn join(&mut self, more: Self) {
        match (self, more) {
            (Self::Destinations(known), Self::Destinations(more)) => known.extend(more),
            (Self::Group { lines, .. }, Self::Group { lines: more, .. }) => lines.extend(more),
            (Self::Condition(known), Self::Condition(more)) => join(known, more),
            (known, more) => *known = more,
        }
    }
}

fn join(known: &mut Condition, more: Condition) {
    if *known == more || more == Condition::Never {
        // Many files define again what Squid knows by itself.
        return;
    }
    match (&mut *known, more) {
        (Condition::Never, more) => *known = more,
        (Condition::Hosts(known), Condition::Hosts(more)) => known.extend(more),
        (Condition::Ports(known), Condition::Ports(more)) => known.extend(more),
        (Condition::Methods(known), Condition::Methods(more)) => known.extend(more),
        (Condition::Clients(known), Condition::Clients(more)) => known.extend(more),
        (_, more) => {
            // Both can be said, because one of them is an expression and the other no network.
            *known = Condition::any(&[known.clone(), more]).unwrap_or(Condition::Never);
        }
    }
}

/// What a list of this type and these values says. `left` is told of values that are passed over.
fn meaning(
    kind: &str,
    values: &[String],
    any_case: bool,
    mut left: impl FnMut(&str, &str),
) -> AclMeaning {
    let mut each = |read: &dyn Fn(&str) -> Option<Vec<String>>, why: &str| -> Vec<String> {
        let mut all = Vec::new();
        for value in values {
            match read(value) {
                Some(read) => all.extend(read),
                None => left(value, why),
            }
        }
        all
    };
    let condition = match kind {
        "dstdomain" => Condition::Hosts(each(&domains, "no name or address")),
        "dst" => return AclMeaning::Destinations(each(&networks, "no address or network")),
        "src" => {
            let mut networks = each(&networks, "no address or network");
            networks.retain(|network| !is_no_source(network));
            let networks: Vec<_> = networks.iter().map(|network| &**network).collect();
            match networks.contains(&"0.0.0.0/0") {
                true => Condition::Always,
                false => clients(&networks),
            }
        }
        "port" => {
            let mut all = Vec::new();
            for value in values {
                match ports(value) {
                    Some(range) => all.push(range),
                    None => left(value, "no port"),
                }
            }
            Condition::Ports(all)
        }
        "proto" if values.iter().all(|name| is_unknown_protocol(name)) => Condition::Never,
        "method" => methods(values),
        "proxy_auth" => users(values),
        "dstdom_regex" => return by_pattern("egress.host", "", values, any_case),
        "browser" => return by_pattern("request.useragent", "", values, any_case),
        "referer_regex" => return by_pattern("request.referer", "", values, any_case),
        "proxy_auth_regex" => return by_pattern("source.user", "", values, any_case),
        "urlpath_regex" => {
            // The target of a CONNECT has no path.
            let readable = "request.form != 'connect' && request.form != 'sni'";
            return by_pattern("request.path", readable, values, any_case);
        }
        "any-of" | "all-of" => {
            return AclMeaning::Group {
                all: kind == "all-of",
                lines: vec![values.to_vec()],
            };
        }
        other => {
            return AclMeaning::Unknown(format!("type {other} cannot be said in an EgressPolicy"));
        }
    };
    AclMeaning::Condition(if condition.is_empty() {
        Condition::Never
    } else {
        condition
    })
}

/// Whether no client has such an address.
fn is_no_source(network: &str) -> bool {
    let (none, network) = (NO_SOURCE.parse::<IpNet>(), network.parse::<IpNet>());
    matches!((none, network), (Ok(none), Ok(network)) if none.contains(&network))
}

fn is_unknown_protocol(name: &str) -> bool {
    UNKNOWN_PROTOCOLS.contains(&&*name.to_lowercase())
}

/// A name, or with a dot before it the name and all below it.
fn domains(value: &str) -> Option<Vec<String>> {
    let hosts = match value.strip_prefix('.') {
        Some(name) => vec![name.to_lowercase(), format!("*.{}", name.to_lowercase())],
        None => vec![value.to_lowercase()],
    };
    let is_valid = |host: &String| HostMatcher::parse(host).is_ok();
    hosts.iter().all(is_valid).then_some(hosts)
}

/// An address, a range of addresses, a network as `ADDRESS/LENGTH` or `ADDRESS/MASK`, a range of networks, or `all`.
fn networks(value: &str) -> Option<Vec<String>> {
    if value == "all" {
        return Some(vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()]);
    }
    let (addresses, mask) = match value.split_once('/') {
        Some((addresses, mask)) => (addresses, Some(mask)),
        None => (value, None),
    };
    let nets = match addresses.split_once('-') {
        None => vec![network(addresses, mask)?],
        Some((first, last)) => {
            let (first, last) = (network(first, mask)?, network(last, mask)?);
            range(first.network(), last.broadcast())?.collect()
        }
    };
    Some(nets.iter().map(ToString::to_string).collect())
}

/// A network by its address, and its length or mask.
fn network(ip: &str, mask: Option<&str>) -> Option<IpNet> {
    let ip: IpAddr = ip.parse().ok()?;
    let net = match mask {
        None => IpNet::from(ip),
        Some(mask) if mask.contains('.') => IpNet::with_netmask(ip, mask.parse().ok()?).ok()?,
        Some(length) => IpNet::new(ip, length.parse().ok()?).ok()?,
    };
    Some(net.trunc())
}

/// The networks that are a range of addresses, if both ends are of one family.
fn range(first: IpAddr, last: IpAddr) -> Option<IpSubnets> {
    Some(match (first, last) {
        (first, last) if first > last => return None,
        (IpAddr::V4(first), IpAddr::V4(last)) => IpSubnets::V4(Ipv4Subnets::new(first, last, 0)),
        (IpAddr::V6(first), IpAddr::V6(last)) => IpSubnets::V6(Ipv6Subnets::new(first, last, 0)),
        _ => return None,
    })
}

fn ports(value: &str) -> Option<(u16, u16)> {
    let (first, last) = value.split_once('-').unwrap_or((value, value));
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn methods(values: &[String]) -> Condition {
    let (tunnels, others): (Vec<_>, Vec<_>) = values.iter().partition(|it| *it == "CONNECT");
    let others = Condition::Methods(others.into_iter().cloned().collect());
    match (tunnels.is_empty(), &others) {
        (true, _) => others,
        (false, Condition::Methods(none)) if none.is_empty() => tunnel(),
        (false, _) => Condition::any(&[tunnel(), others]).unwrap_or(Condition::Never),
    }
}

fn users(values: &[String]) -> Condition {
    let users = values.iter().map(|user| EgressClientSpec {
        user: Some(match &**user {
            "REQUIRED" => "*".to_owned(),
            user => user.to_owned(),
        }),
        ..EgressClientSpec::default()
    });
    Condition::Clients(users.collect())
}

/// Patterns of which one must be found in an attribute, where `readable` says that there is one.
fn by_pattern(attribute: &str, readable: &str, values: &[String], any_case: bool) -> AclMeaning {
    let case = if any_case { "(?i)" } else { "" };
    let found = values.iter().map(|value| {
        Condition::When(format!(
            "{attribute}.matches({})",
            quoted(&format!("{case}{value}"))
        ))
    });
    let found: Vec<_> = found.collect();
    let Some(Condition::When(found)) = Condition::any(&found) else {
        return AclMeaning::Condition(Condition::Never);
    };
    let whole = match readable {
        "" => found,
        readable => format!("({readable} && {found})"),
    };
    // The patterns of Squid are those of the system, of which RE2 knows nearly all.
    match Expression::compile(&whole, AbsentHeaders::ReadEmpty) {
        Ok(_) => AclMeaning::Condition(Condition::When(whole)),
        Err(fault) => AclMeaning::Unknown(fault.message),
    }
}

/// The condition of a list by its name.
///
/// # Errors
/// Why it cannot be said.
pub(super) fn condition(name: &str, acls: &Acls, depth: usize) -> Result<Condition, String> {
    let acl = acls
        .get(&name.to_lowercase())
        .ok_or_else(|| format!("there is no acl {name}"))?;
    if depth > 0 && acl.is_partial {
        return Err(format!("{name}: values of the list are missing"));
    }
    match &acl.meaning {
        AclMeaning::Condition(condition) => Ok(condition.clone()),
        AclMeaning::Destinations(_) => Err(format!(
            "{name}: names are not resolved when rules are asked: name the hosts, and write addresses: on their rule \
             where the built-in list denies what they resolve to"
        )),
        AclMeaning::Unknown(why) => Err(format!("{name}: {why}")),
        AclMeaning::Group { .. } if depth == MAX_DEPTH => {
            Err(format!("{name}: too many lists inside one another"))
        }
        AclMeaning::Group { all, lines } => {
            let of_word = |word: &String| match word.strip_prefix('!') {
                Some(name) => condition(name, acls, depth + 1)?.negated().ok_or_else(|| {
                    format!("{word}: that a client is not in a network cannot be said")
                }),
                None => condition(word, acls, depth + 1),
            };
            let mut of_lines = Vec::new();
            for line in lines {
                let words: Result<Vec<_>, _> = line.iter().map(of_word).collect();
                let words = words?;
                let joined = if *all {
                    Condition::all(&words)
                } else {
                    Condition::any(&words)
                };
                of_lines.push(joined.ok_or_else(|| mixed(name))?);
            }
            Condition::any(&of_lines).ok_or_else(|| mixed(name))
        }
    }
}

fn mixed(name: &str) -> String {
    format!("{name}: networks of clients cannot be mixed with other conditions")
}
