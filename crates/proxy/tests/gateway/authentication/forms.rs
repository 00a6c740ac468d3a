//! Basic authentication in every form of request: admission, challenges, and what is forwarded.

use egret_testkit::gateway::egress_policy;
use egret_testkit::{Client, Gateway, Response};
use http::Request;
use serde_json::Value;

use super::{ANN, BASIC, TestSetup, WRONG, assert_challenged, assert_no_secret, head, seen, text};

const BASIC_CHALLENGE: &[&str] = &["Basic realm=\"egret\""];

/// Sends a request with these additional header fields.
pub(super) type SendRequest<'a> = Box<dyn Fn(&[(&str, &str)]) -> Response + 'a>;

/// A form of request: the header field of its credentials, the status of a refusal, and the function that sends it.
pub(super) struct RequestForm<'a> {
    pub(super) name: &'static str,
    pub(super) field: &'static str,
    refused: u16,
    pub(super) send: SendRequest<'a>,
}

pub(super) fn forms(setup: &TestSetup) -> Vec<RequestForm<'_>> {
    let form = |name, field, refused, send| RequestForm {
        name,
        field,
        refused,
        send,
    };
    let h1 = |start: String| -> SendRequest<'_> {
        Box::new(move |fields| {
            let mut client = setup.gateway.connect();
            client.request(head(&start, &setup.authority(), fields))
        })
    };
    let at = setup.authority();
    let (own, proxy) = ("authorization", "proxy-authorization");
    vec![
        form("host", own, 401, h1("GET /x HTTP/1.1".into())),
        form(
            "absolute",
            proxy,
            407,
            h1(format!("GET http://{at}/x HTTP/1.1")),
        ),
        form("CONNECT", proxy, 407, h1(format!("CONNECT {at} HTTP/1.1"))),
        form(
            "CONNECT of HTTP/1.0",
            proxy,
            407,
            h1(format!("CONNECT {at} HTTP/1.0")),
        ),
        form(
            "HTTP/2",
            own,
            401,
            Box::new(|fields| {
                let uri = format!("http://{}/x", setup.authority());
                setup.h2().request(get(&uri, fields), b"").unwrap()
            }),
        ),
        form(
            "CONNECT of HTTP/2",
            proxy,
            407,
            Box::new(|fields| {
                let mut request = Request::connect(setup.authority());
                for (name, value) in fields {
                    request = request.header(*name, *value);
                }
                let client = setup.h2();
                let mut stream = client.open(request.body(()).unwrap(), false);
                stream.head().unwrap()
            }),
        ),
        form(
            "extended CONNECT",
            own,
            401,
            Box::new(|fields| {
                let uri = format!("http://{}/upgrade", setup.authority());
                let client = setup.h2();
                let mut stream = client.open_extended(&uri, "websocket", fields);
                stream.head().unwrap()
            }),
        ),
    ]
}

fn get(uri: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::get(uri);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

#[test]
fn every_form_is_asked_in_its_own_way() {
    let setup = TestSetup::new(BASIC, &[]);
    let mut count = 0;
    for RequestForm {
        name,
        field,
        refused,
        send,
    } in forms(&setup)
    {
        let other = match field {
            "authorization" => "proxy-authorization",
            _ => "authorization",
        };
        for fields in [
            &[][..],
            &[(field, WRONG)],
            &[(field, ANN), (field, ANN)],
            &[(field, "Basic ann:secret")],
            &[(other, ANN)],
        ] {
            let response = send(fields);
            assert_challenged(&response, refused, BASIC_CHALLENGE);
            count += 1;
            let record = setup.record(count);
            assert_eq!(record["status"], refused, "{name}");
            assert_eq!(record["reason"], "unauthenticated");
            assert_eq!(record["verdict"], "deny");
            assert_eq!(record["policy"], "kgateway-system/auth");
            assert_eq!(record["user"], Value::Null);
        }
        assert_eq!(setup.upstream.connections(), 0, "{name}");
    }
    assert!(setup.dns.queries().is_empty());
    let refusals = "egret_refusals_total{reason=\"unauthenticated\"}";
    assert_eq!(
        setup.gateway.metric(refusals),
        f64::from(u32::try_from(count).unwrap())
    );
    for RequestForm {
        name, field, send, ..
    } in forms(&setup)
    {
        assert_eq!(send(&[(field, ANN)]).status, 200, "{name}");
        count += 1;
        let record = setup.record(count);
        assert_eq!(record["user"], "ann", "{name}");
        assert_eq!(record["verdict"], "allow", "{name}");
    }
    for request in setup.upstream.requests() {
        assert_no_secret(&seen(&request.target, &request.headers));
    }
}

/// An HTTP/2 request with another scheme than the connection's is a request to a proxy.
#[test]
fn another_scheme_of_http2_is_for_the_proxy() {
    let setup = TestSetup::new(BASIC, &[]);
    let uri = format!("https://{}/x", setup.authority());
    let client = setup.h2();
    let refused = client.request(get(&uri, &[("authorization", ANN)]), b"");
    assert_challenged(&refused.unwrap(), 407, BASIC_CHALLENGE);
    let let_in = client.request(get(&uri, &[("proxy-authorization", ANN)]), b"");
    // The request is admitted, and fails at TLS, because no CA is trusted here.
    assert_eq!(let_in.unwrap().status, 500);
    assert_eq!(setup.record(2)["user"], "ann");
}

/// Credentials for the origin are forwarded, and credentials for the gateway are not.
#[test]
fn a_proxy_leaves_the_credentials_of_the_origin_alone() {
    let setup = TestSetup::new(BASIC, &[]);
    let at = setup.authority();
    let start = format!("GET http://{at}/x HTTP/1.1");
    let fields = [
        ("proxy-authorization", ANN),
        ("authorization", "Bearer origin"),
    ];
    let response = setup.gateway.connect().request(head(&start, &at, &fields));
    assert_eq!(response.status, 200);
    let asked = &setup.upstream.requests()[0];
    assert_eq!(asked.header("authorization"), Some("Bearer origin"));
    assert_eq!(asked.header("proxy-authorization"), None);

    // Credentials for the gateway are removed even if it does not ask for any.
    let open = TestSetup::new("basicAuth: {disable: {}}", &[]);
    let at = open.authority();
    for start in [
        "GET /x HTTP/1.1".to_owned(),
        format!("GET http://{at}/x HTTP/1.1"),
    ] {
        let response = open.gateway.connect().request(head(&start, &at, &fields));
        assert_eq!(response.status, 200);
    }
    for asked in open.upstream.requests() {
        assert_eq!(asked.header("authorization"), Some("Bearer origin"));
        assert_eq!(asked.header("proxy-authorization"), None);
    }
}

/// Each request on a connection is authenticated on its own.
#[test]
fn nothing_is_inherited_on_a_connection() {
    let setup = TestSetup::new(BASIC, &[]);
    let at = setup.authority();
    let mut client = setup.gateway.connect();
    let mut ask = |form: usize, value: Option<&str>| {
        let (start, field) = match form {
            0 => ("GET /x HTTP/1.1".to_owned(), "authorization"),
            _ => (format!("GET http://{at}/x HTTP/1.1"), "proxy-authorization"),
        };
        let fields: Vec<_> = value.map(|value| (field, value)).into_iter().collect();
        client.request(head(&start, &at, &fields)).status
    };
    for form in [0, 1] {
        let refused = [401, 407][form];
        assert_eq!(ask(form, None), refused);
        assert_eq!(ask(form, Some(ANN)), 200);
        assert_eq!(ask(form, None), refused);
        assert_eq!(ask(form, Some(WRONG)), refused);
        assert_eq!(ask(1 - form, None), [407, 401][form]);
        assert_eq!(ask(form, Some(ANN)), 200);
    }
    let users: Vec<_> = setup.gateway.wait_for_records(12);
    let users: Vec<_> = users.iter().map(|record| record["user"].as_str()).collect();
    let half = [None, Some("ann"), None, None, None, Some("ann")];
    assert_eq!(users, [half, half].concat());
}

/// Authentication comes first: unauthenticated clients learn nothing about the rules, and cause no DNS query.
#[test]
fn authentication_goes_before_everything_else_of_a_rule() {
    let deny = &egress_policy("deny", "defaultAction: Deny");
    let setup = TestSetup::new(BASIC, &[deny]);
    let at = setup.authority();
    for (fields, status) in [(&[][..], 407), (&[("proxy-authorization", ANN)], 403)] {
        for start in [
            format!("GET http://{at}/x HTTP/1.1"),
            format!("CONNECT {at} HTTP/1.1"),
        ] {
            let response = setup.gateway.connect().request(head(&start, &at, fields));
            assert_eq!(response.status, status, "{start}");
        }
    }
    assert_eq!(setup.record(4)["user"], "ann");
    assert!(setup.dns.queries().is_empty());

    // Redirects by the gateway need authentication as well.
    let redirect = redirecting_setup();
    let mut client = redirect.gateway.connect();
    assert_eq!(client.get("/x", "a.example").status, 401);
    let let_in = client.request(head(
        "GET /x HTTP/1.1",
        "a.example",
        &[("authorization", ANN)],
    ));
    assert_eq!(let_in.status, 302);
}

fn redirecting_setup() -> TestSetup {
    let setup = TestSetup::new(BASIC, &[]);
    let text = redirecting(&text(&setup.dns, BASIC, &[]));
    let gateway = Gateway::start(&text);
    TestSetup { gateway, ..setup }
}

/// The configuration `text` with a route that redirects.
pub(super) fn redirecting(text: &str) -> String {
    let (before, rules) = text.split_once("rules:\n    - backendRefs:").unwrap();
    let rest = rules.split_once("\n---\n").map_or("", |(_, rest)| rest);
    let filter = "filters: [{type: RequestRedirect, requestRedirect: {hostname: b.example}}]";
    format!("{before}rules:\n    - {filter}\n---\n{rest}")
}

#[test]
fn a_client_of_grpc_is_told_in_its_own_words() {
    let setup = TestSetup::new(BASIC, &[]);
    let uri = format!("http://{}/a.B/C", setup.authority());
    let request = get(&uri, &[("content-type", "application/grpc")]);
    let response = setup.h2().request(request, b"").unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.header("grpc-status"), Some("16"));
    assert_eq!(
        response.header("www-authenticate"),
        Some(BASIC_CHALLENGE[0])
    );
}

/// A refused CONNECT closes the connection, and bytes that were meant for the tunnel are not read as a request.
#[test]
fn a_refused_connect_ends_the_connection() {
    let setup = TestSetup::new(BASIC, &[]);
    let at = setup.authority();
    for version in ["1.1", "1.0"] {
        let mut client: Client = setup.gateway.connect();
        let start = format!("CONNECT {at} HTTP/{version}");
        client.send_request(head(&start, &at, &[]));
        let fields = [("authorization", ANN)];
        let _ = client.try_send(head("GET /x HTTP/1.1", &at, &fields));
        let response = client.read_response();
        assert_challenged(&response, 407, BASIC_CHALLENGE);
        assert!(client.is_closed());
    }
    assert!(setup.upstream.requests().is_empty());
}
