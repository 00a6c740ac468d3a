//! What a line of the access log says about what was served.

use egret_config::name::{Host, Port};
use egret_config::resources::{Kind, ObjectRef};
use egret_config::route::normalize_path;

use crate::access_log::LogLine;
use crate::policy::PolicyTarget;

/// A request that was served, as far as an EgressPolicy can tell requests apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServedRequest {
    /// Where it went.
    pub(super) host: Host,
    /// The port there.
    pub(super) port: Port,
    /// The method and the path; `None` for a tunnel, whose requests cannot be read.
    pub(super) request: Option<(String, String)>,
}

/// What a line of the log says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LogFinding {
    /// By this Gateway, with all requests on the way that redirects led.
    Served {
        gateway: ObjectRef,
        requests: Vec<ServedRequest>,
    },
    /// The request was refused, or answered by the gateway itself.
    Refused,
    /// The policy that is wanted would not apply to the request.
    Elsewhere,
    /// This is no line of Egret's access log.
    Unreadable,
    Blank,
}

/// Reads one line, for a policy for this target.
pub(super) fn read(line: &[u8], target: Option<&PolicyTarget>) -> LogFinding {
    if line.is_empty() {
        return LogFinding::Blank;
    }
    let Some(line) = LogLine::read(line) else {
        return LogFinding::Unreadable;
    };
    if target.is_some_and(|target| !is_under(&line, target)) {
        return LogFinding::Elsewhere;
    }
    let is_allowed = matches!(line.verdict.as_deref(), Some("allow" | "audit"));
    if !is_allowed || line.id.is_some() {
        return LogFinding::Refused;
    }
    served(&line).unwrap_or(LogFinding::Unreadable)
}

/// Whether a policy for this target applies to the request.
fn is_under(line: &LogLine<'_>, target: &PolicyTarget) -> bool {
    let kind = target.object.kind;
    let text = match kind {
        Kind::Gateway | Kind::ListenerSet => &line.listener,
        _ => &line.route,
    };
    let parts: Vec<_> = text.as_deref().unwrap_or_default().split('/').collect();
    // A listener of a ListenerSet is told with its Gateway, the set and its own name.
    let (namespace, name, section) = match (kind, &parts[..]) {
        (Kind::ListenerSet, [_, _, namespace, name, section]) => (namespace, name, section),
        (Kind::ListenerSet, _) => return false,
        (Kind::Gateway, [namespace, name, _, _, section]) if target.section.is_none() => {
            (namespace, name, section)
        }
        (_, [namespace, name, section]) => (namespace, name, section),
        _ => return false,
    };
    // Routes of different kinds may have the same name. A connection of a TLSRoute has no method.
    let is_of_kind = match kind {
        Kind::TlsRoute => line.method.is_none(),
        Kind::HttpRoute | Kind::GrpcRoute => line.method.is_some(),
        _ => true,
    };
    let wanted = target.section.as_deref();
    is_of_kind
        && *namespace == &*target.object.namespace
        && *name == &*target.object.name
        && wanted.is_none_or(|wanted| wanted == *section)
}

fn served(line: &LogLine<'_>) -> Option<LogFinding> {
    let gateway = gateway(line.listener.as_deref()?)?;
    let method = line.method.as_deref();
    // TLS passthrough has no method.
    let mut method = method.filter(|method| *method != "CONNECT");
    let mut path = line.path.as_deref().unwrap_or("/");
    let mut requests = Vec::new();
    for redirect in &line.redirects {
        let asked = method.map(|method| (method, path));
        requests.push(request(redirect.destination.as_deref()?, asked)?);
        if redirect.status == 303 {
            method = method.map(|method| if method == "HEAD" { "HEAD" } else { "GET" });
        }
        path = path_of(&redirect.location);
    }
    let asked = method.map(|method| (method, path));
    requests.push(request(line.destination.as_deref()?, asked)?);
    Some(LogFinding::Served { gateway, requests })
}

/// A request to a destination, `host:port`.
fn request(destination: &str, asked: Option<(&str, &str)>) -> Option<ServedRequest> {
    let (host, port) = destination.rsplit_once(':')?;
    Some(ServedRequest {
        host: host.parse().ok()?,
        port: Port::new(port.parse().ok()?)?,
        // Rules compare normalized paths.
        request: asked.map(|(method, path)| (method.to_owned(), normalize_path(path).into_owned())),
    })
}

/// The path of a URL.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("/", |at| &rest[at..])
}

/// The Gateway of a listener: `namespace/name/listener`.
fn gateway(listener: &str) -> Option<ObjectRef> {
    let mut parts = listener.splitn(3, '/');
    let (namespace, name) = (parts.next()?, parts.next()?);
    parts.next()?;
    Some(ObjectRef::new(Kind::Gateway, namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fields: &str) -> LogFinding {
        let line = format!(
            r#"{{"time":"2026-01-01T00:00:00.000Z","listener":"edge/http/http","client":"10.0.0.1:5","total_ms":1.0,{fields}}}"#
        );
        read(line.as_bytes(), None)
    }

    fn requests(found: LogFinding) -> Vec<ServedRequest> {
        match found {
            LogFinding::Served { gateway, requests } => {
                assert_eq!(gateway, ObjectRef::new(Kind::Gateway, "edge", "http"));
                requests
            }
            other => panic!("{other:?}"),
        }
    }

    fn only(found: LogFinding) -> ServedRequest {
        let mut requests = requests(found);
        assert_eq!(requests.len(), 1);
        requests.remove(0)
    }

    #[test]
    fn a_redirect_is_a_request_of_its_own() {
        let found = line(
            r#""destination":"c.example:443","method":"POST","path":"/a","verdict":"allow","status":200,"redirects":[
                {"status":307,"destination":"a.example:80","location":"https://b.example/b"},
                {"status":303,"destination":"b.example:443","location":"https://c.example"}]"#,
        );
        let requests = requests(found).into_iter().map(|request| {
            let (method, path) = request.request.unwrap();
            format!("{method} {} {path}", request.host)
        });
        let expected = ["POST a.example /a", "POST b.example /b", "GET c.example /"];
        assert_eq!(requests.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_was_served_has_a_destination() {
        let found = line(
            r#""destination":"a.example:8443","method":"GET","path":"/v1/x","verdict":"allow","status":200"#,
        );
        let request = only(found);
        assert_eq!(
            (request.host.to_string(), request.port.get()),
            ("a.example".to_owned(), 8443)
        );
        let readable = ("GET".to_owned(), "/v1/x".to_owned());
        assert_eq!(request.request, Some(readable));
        for tunnel in [r#""method":"CONNECT","#, ""] {
            let found = line(&format!(
                r#"{tunnel}"destination":"[2001:db8::1]:443","verdict":"audit""#
            ));
            let request = only(found);
            assert_eq!(request.request, None);
            assert_eq!(request.host.to_string(), "[2001:db8::1]");
        }
    }

    #[test]
    fn what_was_refused_teaches_nothing() {
        for fields in [
            r#""destination":"a.example:80","method":"GET","verdict":"deny","id":"1""#,
            // Allowed, and refused for another reason.
            r#""destination":"a.example:80","method":"GET","verdict":"allow","reason":"dns_error","id":"1""#,
            // Answered by the gateway itself.
            r#""method":"GET","status":301"#,
        ] {
            assert_eq!(line(fields), LogFinding::Refused, "{fields}");
        }
        assert_eq!(read(b"", None), LogFinding::Blank);
        for other in ["plain text", "{\"level\":\"info\"}", "[]", "{"] {
            assert_eq!(
                read(other.as_bytes(), None),
                LogFinding::Unreadable,
                "{other}"
            );
        }
    }

    #[test]
    fn paths_are_as_rules_compare_them() {
        for (logged, expected) in [
            ("/v1/x", "/v1/x"),
            ("//v1//x", "/v1/x"),
            ("/v1/../", "/"),
            ("/%76%31/a%2fb", "/v1/a%2Fb"),
            ("*", "*"),
        ] {
            let found = line(&format!(
                r#""destination":"a.example:80","method":"GET","path":"{logged}","verdict":"allow""#
            ));
            let (_, path) = only(found).request.unwrap();
            assert_eq!(path, expected, "{logged}");
        }
    }

    #[test]
    fn a_target_takes_the_lines_of_its_listeners_or_of_its_rules() {
        let of = |listener: &str, route: &str, method: &str| {
            format!(
                r#"{{"client":"10.0.0.1:5","listener":"{listener}","route":"{route}",{method}"destination":"a.example:443","verdict":"allow"}}"#
            )
        };
        let own = of("edge/http/tls", "apps/api/read", r#""method":"CONNECT","#);
        let set = of("edge/http/team/more/tls", "apps/api/0", "");
        for (target, takes_own, takes_set) in [
            ("Gateway/edge/http", true, true),
            ("Gateway/edge/http/tls", true, false),
            ("Gateway/edge/http/http", false, false),
            ("Gateway/edge/htt", false, false),
            ("ListenerSet/team/more", false, true),
            ("ListenerSet/team/more/tls", false, true),
            ("ListenerSet/team/more/http", false, false),
            ("ListenerSet/edge/http", false, false),
            ("HTTPRoute/apps/api", true, false),
            ("HTTPRoute/apps/api/read", true, false),
            ("HTTPRoute/apps/api/write", false, false),
            ("GRPCRoute/apps/api", true, false),
            ("TLSRoute/apps/api", false, true),
            ("TLSRoute/api/apps", false, false),
        ] {
            let target: PolicyTarget = target.parse().unwrap();
            let takes = |line: &str| match read(line.as_bytes(), Some(&target)) {
                LogFinding::Served { .. } => true,
                LogFinding::Elsewhere => false,
                other => panic!("{other:?}"),
            };
            assert_eq!(
                (takes(&own), takes(&set)),
                (takes_own, takes_set),
                "{target}"
            );
        }
        // A request that no rule took is of no route.
        let target: PolicyTarget = "HTTPRoute/apps/api".parse().unwrap();
        let line = r#"{"client":"10.0.0.1:5","listener":"edge/http/tls","verdict":"deny"}"#;
        assert_eq!(read(line.as_bytes(), Some(&target)), LogFinding::Elsewhere);
    }
}
