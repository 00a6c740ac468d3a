//! `cors`.

use bytes::Bytes;
use egret_testkit::{Response, Upstream};

use super::{ask, with};
use crate::with_policy::WithPolicy;

const POLICY: &str = "cors:
    allowOrigins: ['https://a.test', 'http://*:81']
    allowCredentials: true
    allowMethods: [GET, POST]
    allowHeaders: [x-a, x-b]
    exposeHeaders: [x-e]
    maxAge: 600";

/// With an upstream that says something about sharing itself.
fn setup(policy: &str) -> WithPolicy {
    let upstream = Upstream::start().answering(|_| {
        let response = http::Response::builder()
            .header("access-control-allow-origin", "upstream")
            .header("access-control-allow-methods", "upstream");
        response.body(Bytes::new()).ok()
    });
    with(policy, &[], upstream)
}

/// The fields of sharing, in order, without their common beginning.
fn shared(response: &Response) -> String {
    let fields = response.headers.0.iter();
    let fields = fields.filter_map(|(name, value)| {
        let name = name.strip_prefix("access-control-")?;
        Some(format!("{name}={value}"))
    });
    fields.collect::<Vec<_>>().join("; ")
}

const ALL: &str = "allow-origin=https://a.test; allow-credentials=true; allow-methods=GET, POST; \
                   allow-headers=x-a, x-b; max-age=600; expose-headers=x-e";
const OWN: &str = "allow-origin=upstream; allow-methods=upstream";
/// Of an upstream's response the origin is written over, and the rest stays.
const JOINED: &str = "allow-origin=https://a.test; allow-methods=upstream; allow-credentials=true; expose-headers=x-e";

/// What a row shows, the method and the fields of a request, what is told, and how many requests the upstream gets.
type CorsRow = (&'static str, &'static str, String, &'static str, usize);

fn rows() -> Vec<CorsRow> {
    let wants = "access-control-request-method: PUT\r\n";
    let from_a = "origin: https://a.test\r\n";
    vec![
        (
            "the method is not compared",
            "OPTIONS",
            format!("{from_a}{wants}"),
            ALL,
            0,
        ),
        (
            "nor are the fields",
            "OPTIONS",
            format!("{from_a}{wants}access-control-request-headers: x-none\r\n"),
            ALL,
            0,
        ),
        // Envoy asks the upstream about pages of other origins; here they are told nothing.
        (
            "another origin",
            "OPTIONS",
            format!("origin: https://b.test\r\n{wants}"),
            "",
            0,
        ),
        (
            "no method is asked for",
            "OPTIONS",
            from_a.to_owned(),
            JOINED,
            1,
        ),
        (
            "an empty method is asked for",
            "OPTIONS",
            format!("{from_a}access-control-request-method:\r\n"),
            JOINED,
            1,
        ),
        (
            "another method",
            "POST",
            format!("{from_a}content-length: 0\r\n"),
            JOINED,
            1,
        ),
        ("no origin", "GET", String::new(), OWN, 1),
        (
            "the port counts",
            "GET",
            "origin: https://a.test:8443\r\n".to_owned(),
            OWN,
            1,
        ),
        (
            "letters count",
            "GET",
            "origin: https://A.test\r\n".to_owned(),
            OWN,
            1,
        ),
        (
            "null is no origin",
            "GET",
            "origin: null\r\n".to_owned(),
            OWN,
            1,
        ),
    ]
}

#[test]
fn origins_methods_and_fields_decide_what_is_told() {
    let setup = setup(POLICY);
    for (shows, method, fields, expected, served) in rows() {
        let before = setup.upstream.requests().len();
        let response = ask(&setup, &format!("{method} /"), &fields);
        assert_eq!(response.status, 200, "{shows}");
        let mut told: Vec<_> = shared(&response).split("; ").map(str::to_owned).collect();
        let mut expected: Vec<_> = expected.split("; ").map(str::to_owned).collect();
        if served == 1 {
            // Which comes first is the upstream's.
            told.sort_unstable();
            expected.sort_unstable();
        } else {
            assert_eq!(response.header("content-length"), Some("0"), "{shows}");
            assert_eq!(response.header("vary"), None, "{shows}");
        }
        assert_eq!(told, expected, "{shows}");
        assert_eq!(setup.upstream.requests().len(), before + served, "{shows}");
    }
}

#[test]
fn any_origin_is_told_itself() {
    let setup = setup("cors: {allowOrigins: ['*']}");
    for origin in ["https://b.test", "null"] {
        let response = ask(&setup, "GET /", &format!("origin: {origin}\r\n"));
        let told = response.header("access-control-allow-origin");
        assert_eq!(told, Some(origin));
    }
}
