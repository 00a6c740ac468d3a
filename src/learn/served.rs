//! What a line of the access log says about what was served.

use egret_config::name::{Host, Port};
use egret_config::resources::{Kind, ObjectRef};

use crate::access_log::LogLine;

/// A request that was served, as far as an EgressPolicy can tell requests apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServedRequest {
    /// The Gateway that served it.
    pub(super) gateway: ObjectRef,
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
    /// With all requests on the way that redirects led.
    Served(Vec<ServedRequest>),
    /// The request was refused, or answered by the gateway itself.
    Refused,
    /// This is no line of Egret's access log.
    Unreadable,
    Blank,
}

/// Reads one line.
pub(super) fn read(line: &[u8]) -> LogFinding {
    if line.is_empty() {
        return LogFinding::Blank;
    }
    let Some(line) = LogLine::read(line) else {
        return LogFinding::Unreadable;
    };
    let is_allowed = matches!(line.verdict.as_deref(), Some("allow" | "audit"));
    if !is_allowed || line.id.is_some() {
        return LogFinding::Refused;
    }
    served(&line).map_or(LogFinding::Unreadable, LogFinding::Served)
}

fn served(line: &LogLine<'_>) -> Option<Vec<ServedRequest>> {
    let gateway = gateway(line.listener.as_deref()?)?;
    let method = line.method.as_deref();
    // TLS passthrough has no method.
    let mut method = method.filter(|method| *method != "CONNECT");
    let mut path = line.path.as_deref().unwrap_or("/");
    let mut requests = Vec::new();
    for redirect in &line.redirects {
        let asked = method.map(|method| (method, path));
        requests.push(request(&gateway, redirect.destination.as_deref()?, asked)?);
        if redirect.status == 303 {
            method = method.map(|method| if method == "HEAD" { "HEAD" } else { "GET" });
        }
        path = path_of(&redirect.location);
    }
    let asked = method.map(|method| (method, path));
    requests.push(request(&gateway, line.destination.as_deref()?, asked)?);
    Some(requests)
}

/// A request to a destination, `host:port`.
fn request(
    gateway: &ObjectRef,
    destination: &str,
    asked: Option<(&str, &str)>,
) -> Option<ServedRequest> {
    let (host, port) = destination.rsplit_once(':')?;
    Some(ServedRequest {
        gateway: gateway.clone(),
        host: host.parse().ok()?,
        port: Port::new(port.parse().ok()?)?,
        request: asked.map(|(method, path)| (method.to_owned(), path.to_owned())),
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
        read(line.as_bytes())
    }

    fn requests(found: LogFinding) -> Vec<ServedRequest> {
        match found {
            LogFinding::Served(requests) => requests,
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
        assert_eq!(&*request.gateway.name, "http");
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
        assert_eq!(read(b""), LogFinding::Blank);
        for other in ["plain text", "{\"level\":\"info\"}", "[]", "{"] {
            assert_eq!(read(other.as_bytes()), LogFinding::Unreadable, "{other}");
        }
    }
}
