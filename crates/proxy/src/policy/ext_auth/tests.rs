//! What services are asked, and what their answers mean.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use egret_config::policy::ext_auth::{AuthBody, HttpAuth};
use egret_config::policy::service::{CalledService, ServiceId};
use egret_config::resources::Kind;
use egret_config::snapshot::Scheme;
use egret_testkit::protobuf::{Written, numbers, texts};
use http::{Request, Response, Version};
use prost::Message as _;

use super::*;
use crate::message::forwarded::ForwardedFields;
use crate::message::target::TargetForm;
use crate::policy::envoy::auth::CheckResponse;

fn auth(protocol: AuthProtocol, forwarded: &[&str]) -> ExtAuth {
    let policy = ObjectRef::new(Kind::TrafficPolicy, "n", "p");
    ExtAuth {
        service: CalledService {
            id: ServiceId::new(&policy, "x"),
            authority: "auth:9000".to_owned(),
            timeout: Duration::from_secs(1),
            retries: 0,
            back_off: (Duration::ZERO, Duration::ZERO),
        },
        protocol,
        fails_open: false,
        status_on_error: StatusCode::FORBIDDEN,
        forwarded: forwarded.iter().map(|name| name.parse().unwrap()).collect(),
        body: None,
        context: BTreeMap::from([("zone".to_owned(), "blue".to_owned())]),
    }
}

fn client() -> ClientIdentity {
    ClientIdentity {
        address: ([192, 0, 2, 7], 4711).into(),
        listener: ([192, 0, 2, 1], 8080).into(),
        scheme: Scheme::Http,
        server_name: None,
        certificate: None,
        forwarded: ForwardedFields::default(),
    }
}

fn head(method: &str, uri: &str) -> Parts {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "a.test:81")
        .header("authorization", "Bearer origin")
        .header("proxy-authorization", "Basic secret")
        .header("x-a", "1")
        .header("x-a", "2")
        .header("content-length", "4");
    request.body(()).unwrap().into_parts().0
}

fn target(form: TargetForm) -> Target {
    Target {
        scheme: None,
        host: "a.test".parse().unwrap(),
        port: None,
        form,
    }
}

/// The headers of a question over gRPC, as text.
fn asked_headers(message: &[u8]) -> String {
    let keys = texts(message, &[1, 4, 2, 3, 1]);
    let values = texts(message, &[1, 4, 2, 3, 2]);
    let pairs = keys.iter().zip(&values);
    pairs
        .map(|(key, value)| format!("{key}={value};"))
        .collect()
}

fn ask(auth: &ExtAuth, form: TargetForm, parts: &Parts, body: Option<(&[u8], bool)>) -> Vec<u8> {
    let request = CheckedRequest {
        target: &target(form),
        parts,
        client: &client(),
        body: body.map(|(data, is_whole)| CheckedBody { data, is_whole }),
    };
    let now = UNIX_EPOCH + Duration::new(1_700_000_000, 5);
    grpc::question(auth, &request, now).encode_to_vec()
}

#[test]
fn a_question_over_grpc_has_the_request() {
    let grpc = auth(AuthProtocol::Grpc, &[]);
    let message = ask(&grpc, TargetForm::Request, &head("GET", "/a?b=c"), None);
    let address = |peer, field| texts(&message, &[1, peer, 1, 1, field]);
    let port = |peer| numbers(&message, &[1, peer, 1, 1, 3]);
    assert_eq!(
        (address(1, 2), port(1)),
        (vec!["192.0.2.7".to_owned()], vec![4711])
    );
    assert_eq!(
        (address(2, 2), port(2)),
        (vec!["192.0.2.1".to_owned()], vec![8080])
    );
    assert_eq!(numbers(&message, &[1, 4, 1, 1]), [1_700_000_000]);
    assert_eq!(numbers(&message, &[1, 4, 1, 2]), [5]);
    let http = |field| texts(&message, &[1, 4, 2, field]).join(" ");
    let all = [http(2), http(4), http(5), http(6), http(10)];
    assert_eq!(all, ["GET", "/a?b=c", "a.test:81", "http", "HTTP/1.1"]);
    assert!(http(1).parse::<u64>().is_ok());
    assert_eq!(numbers(&message, &[1, 4, 2, 9]), [4]);
    assert_eq!(texts(&message, &[1, 10, 1]), ["zone"]);
    assert_eq!(texts(&message, &[1, 10, 2]), ["blue"]);
    // Credentials for the proxy are not among them.
    let pseudo = ":authority=a.test:81;:method=GET;:path=/a?b=c;:scheme=http;";
    let fields = "authorization=Bearer origin;content-length=4;x-a=1,2;";
    assert_eq!(asked_headers(&message), format!("{pseudo}{fields}"));
    let some = auth(AuthProtocol::Grpc, &["proxy-authorization", "x-b"]);
    let message = ask(&some, TargetForm::Request, &head("GET", "/a?b=c"), None);
    let expected = format!("{pseudo}proxy-authorization=Basic secret;");
    assert_eq!(asked_headers(&message), expected);
}

#[test]
fn a_question_about_a_tunnel_has_no_path() {
    let grpc = auth(AuthProtocol::Grpc, &["x-b"]);
    let message = ask(
        &grpc,
        TargetForm::Connect,
        &head("CONNECT", "a.test:81"),
        None,
    );
    assert_eq!(
        asked_headers(&message),
        ":authority=a.test:81;:method=CONNECT;"
    );
    for field in [4, 6, 11, 12] {
        assert!(texts(&message, &[1, 4, 2, field]).is_empty(), "{field}");
    }
}

#[test]
fn the_body_is_sent_as_text_or_bytes_and_its_size_if_known() {
    let mut grpc = auth(AuthProtocol::Grpc, &["x-b"]);
    let body = AuthBody {
        most: 4,
        allows_partial: true,
        as_bytes: false,
    };
    grpc.body = Some(body);
    let mut parts = head("POST", "/");
    let message = ask(&grpc, TargetForm::Request, &parts, Some((b"a\xffb", true)));
    assert_eq!(texts(&message, &[1, 4, 2, 11]), ["a\u{fffd}b"]);
    assert!(asked_headers(&message).ends_with("x-envoy-auth-partial-body=false;"));
    grpc.body = Some(AuthBody {
        as_bytes: true,
        ..body
    });
    parts.headers.remove("content-length");
    parts.version = Version::HTTP_2;
    let message = ask(&grpc, TargetForm::Request, &parts, Some((b"abcd", false)));
    assert_eq!(texts(&message, &[1, 4, 2, 12]), ["abcd"]);
    assert_eq!(numbers(&message, &[1, 4, 2, 9]), [u64::MAX]);
    assert_eq!(texts(&message, &[1, 4, 2, 10]), ["HTTP/2"]);
    assert!(asked_headers(&message).ends_with("x-envoy-auth-partial-body=true;"));
}

/// A `HeaderValueOption`.
fn option(key: &str, value: &str, appends: bool) -> Written {
    let field = Written::default().text(1, key).text(2, value);
    let option = Written::default().message(1, &field);
    if appends {
        option.message(2, &Written::default().number(1, 1))
    } else {
        option
    }
}

fn code(code: u64) -> Written {
    Written::default().number(1, code)
}

fn read(answer: Written) -> AuthAnswer {
    grpc::read(CheckResponse::decode(&*answer.into_bytes()).unwrap())
}

fn fields(text: &[(&str, &str)]) -> Vec<(HeaderName, HeaderValue)> {
    let field = |(name, value): &(&str, &str)| (name.parse().unwrap(), value.parse().unwrap());
    text.iter().map(field).collect()
}

#[test]
fn answers_over_grpc_mean_what_they_mean_to_envoy() {
    let allowed = || AuthAnswer::Allowed(Box::default());
    let denied = |status: u16, headers: &[(&str, &str)], body: Option<&str>| {
        AuthAnswer::Denied(Box::new(DeniedResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers: fields(headers),
            body: body.map(str::to_owned),
        }))
    };
    let response = |status: u64| {
        let response = Written::default().message(1, &code(status));
        let headers = [option("x-why", "a", false), option("x-why", "b", true)];
        let response = headers
            .iter()
            .fold(response, |it, header| it.message(2, header));
        response
            .message(2, &option("content-length", "3", false))
            .text(3, "no")
    };
    let why = [("x-why", "a"), ("x-why", "b")];
    let answer = |status, response: &Written| {
        Written::default()
            .message(1, &code(status))
            .message(2, response)
    };
    for (written, expected) in [
        (Written::default(), allowed()),
        (Written::default().message(1, &code(0)), allowed()),
        (answer(0, &response(401)), allowed()),
        (
            Written::default().message(1, &code(7)),
            denied(403, &[], None),
        ),
        (answer(7, &Written::default()), denied(403, &[], None)),
        (answer(16, &response(401)), denied(401, &why, Some("no"))),
        (answer(7, &response(200)), denied(200, &why, Some("no"))),
        (answer(7, &response(9999)), denied(403, &why, Some("no"))),
    ] {
        assert_eq!(read(written.clone()), expected, "{written:?}");
    }
    let ok = Written::default()
        .message(2, &option("x-user", "ann", false))
        .message(2, &option("x-a", "n", true))
        .message(2, &option("host", "evil.test", false))
        .message(2, &option(":path", "/evil", false))
        .text(5, "authorization")
        .text(5, "host")
        .message(6, &option("x-seen", "yes", false))
        .message(7, &Written::default().text(1, "k").text(2, "v"))
        .text(8, "token");
    let ok = Written::default().message(1, &code(0)).message(3, &ok);
    let changes = RequestChanges {
        set: fields(&[("x-user", "ann")]),
        join: fields(&[("x-a", "n")]),
        remove: vec![AUTHORIZATION],
        set_parameters: vec![("k".to_owned(), "v".to_owned())],
        remove_parameters: vec!["token".to_owned()],
        response: fields(&[("x-seen", "yes")]),
        metadata: None,
    };
    let mut parts = head("GET", "/a?token=t&b=c");
    changes.apply(&mut parts);
    assert_eq!(parts.uri, "/a?b=c&k=v");
    assert_eq!(parts.headers["x-user"], "ann");
    assert_eq!(parts.headers["x-a"], "1,2,n");
    assert!(!parts.headers.contains_key(AUTHORIZATION));
    assert_eq!(parts.headers[HOST], "a.test:81");
    assert_eq!(read(ok), AuthAnswer::Allowed(Box::new(changes)));
}

/// The question over HTTP about this request.
fn ask_http(http: &HttpAuth, forwarded: &[&str], form: TargetForm, parts: &Parts) -> String {
    let request = CheckedRequest {
        target: &target(form),
        parts,
        client: &client(),
        body: None,
    };
    let auth = auth(AuthProtocol::Http(http.clone()), forwarded);
    let question = http_service::question(&auth, http, &request).unwrap();
    let fields = question.headers().iter();
    let fields = fields.map(|(name, value)| format!(" {name}={}", value.to_str().unwrap()));
    let (method, uri) = (question.method(), question.uri());
    format!("{method} {uri}{}", fields.collect::<String>())
}

#[test]
fn a_question_over_http_is_the_request_with_a_prefix() {
    let http = HttpAuth {
        path_prefix: "/check".to_owned(),
        adds: fields(&[("x-a", "own")]),
        ..HttpAuth::default()
    };
    let bare = HttpAuth::default();
    let (request, connect) = (TargetForm::Request, TargetForm::Connect);
    let origin = "authorization=Bearer origin";
    for (http, forwarded, form, (method, uri), expected) in [
        (
            &bare,
            &[][..],
            request,
            ("PUT", "/a?b=c"),
            format!("PUT http://a.test:81/a?b=c {origin}"),
        ),
        (
            &http,
            &["x-a", "proxy-authorization"],
            request,
            ("GET", "http://a.test:81/"),
            format!(
                "GET http://a.test:81/check/ {origin} proxy-authorization=Basic secret x-a=own"
            ),
        ),
        (
            &bare,
            &["x-a"],
            request,
            ("OPTIONS", "*"),
            format!("OPTIONS http://a.test:81/ {origin} x-a=1 x-a=2"),
        ),
        (
            &http,
            &[],
            connect,
            ("CONNECT", "a.test:81"),
            format!("GET http://a.test:81/check/ {origin} x-forwarded-method=CONNECT x-a=own"),
        ),
    ] {
        let question = ask_http(http, forwarded, form, &head(method, uri));
        assert_eq!(question, expected);
    }
}

#[test]
fn answers_over_http_mean_what_they_mean_to_envoy() {
    let read = |http: &HttpAuth, status: u16, headers: &[(&str, &str)]| {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response.headers_mut().extend(
            fields(headers)
                .into_iter()
                .map(|(name, value)| (Some(name), value)),
        );
        http_service::read(http, &response.into_parts().0, b"no")
    };
    let bare = HttpAuth::default();
    let listed = HttpAuth {
        to_upstream: vec!["x-user".parse().unwrap()],
        to_client: vec!["x-why".parse().unwrap()],
        to_client_on_success: vec!["x-seen".parse().unwrap()],
        ..HttpAuth::default()
    };
    let all = [
        ("x-user", "ann"),
        ("x-seen", "yes"),
        ("x-why", "because"),
        ("content-type", "text/html"),
        ("transfer-encoding", "chunked"),
        ("www-authenticate", "Basic"),
        ("x-envoy-auth-headers-to-remove", "cookie, host"),
    ];
    let allowed = |changes| AuthAnswer::Allowed(Box::new(changes));
    let remove = || vec!["cookie".parse().unwrap()];
    let expected = allowed(RequestChanges {
        remove: remove(),
        ..RequestChanges::default()
    });
    assert_eq!(read(&bare, 200, &all), expected);
    let expected = allowed(RequestChanges {
        set: fields(&[("x-user", "ann")]),
        response: fields(&[("x-seen", "yes")]),
        remove: remove(),
        ..RequestChanges::default()
    });
    assert_eq!(read(&listed, 200, &all), expected);
    let plain = ("content-type", "text/plain");
    let denied = |status: u16, headers: &[(&str, &str)]| {
        AuthAnswer::Denied(Box::new(DeniedResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers: fields(headers),
            body: Some("no".to_owned()),
        }))
    };
    for status in [201, 302, 401, 403, 429] {
        let some = [("x-why", "because"), ("www-authenticate", "Basic"), plain];
        assert_eq!(read(&listed, status, &all), denied(status, &some));
        assert_eq!(read(&bare, status, &[]), denied(status, &[plain]));
    }
    let without_framing: Vec<_> = all
        .into_iter()
        .filter(|(name, _)| *name != "transfer-encoding")
        .collect();
    assert_eq!(read(&bare, 403, &all), denied(403, &without_framing));
}

#[test]
fn no_status_of_a_service_is_consent_to_a_tunnel() {
    for (status, method, expected) in [
        (200, Method::CONNECT, 403),
        (204, Method::CONNECT, 403),
        (407, Method::CONNECT, 407),
        (101, Method::GET, 403),
        (201, Method::GET, 201),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(
            final_status(status, &method).as_u16(),
            expected,
            "{status} {method}"
        );
    }
}
