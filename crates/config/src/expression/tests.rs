use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use super::*;
use crate::certificate::{AlternativeName, CertificateFacts, CertificateValidity};
use crate::name::{DnsName, Host, Port};

mod bounds;
mod claims;
mod cost;
mod faults;

/// A request, as it is kept for tests.
struct Sample {
    form: RequestForm,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    host: Host,
    port: Option<Port>,
    name: DnsName,
    user: Option<&'static str>,
    certificate: Option<Arc<CertificateFacts>>,
    egress: Host,
}

impl Sample {
    fn get(target: &str, headers: &[(&str, &str)]) -> Self {
        let parsed = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        let mut headers = HeaderMap::new();
        for (name, value) in parsed {
            headers.append(name, value);
        }
        Self {
            form: RequestForm::Host,
            method: Method::GET,
            uri: target.parse().unwrap(),
            headers,
            host: "shop.example".parse().unwrap(),
            port: None,
            name: "front.example".parse().unwrap(),
            user: None,
            certificate: None,
            egress: "origin.example".parse().unwrap(),
        }
    }

    fn connect() -> Self {
        Self {
            form: RequestForm::Connect,
            method: Method::CONNECT,
            uri: Uri::default(),
            port: Port::new(8443),
            ..Self::get("/", &[("x-team", "ops")])
        }
    }

    fn sni() -> Self {
        Self {
            form: RequestForm::Sni,
            port: None,
            ..Self::connect()
        }
    }

    fn with_names(names: Vec<AlternativeName>) -> Self {
        let certificate = CertificateFacts {
            names,
            subject: Vec::new(),
            validity: CertificateValidity {
                not_before: 0,
                not_after: 0,
            },
        };
        Self {
            certificate: Some(Arc::new(certificate)),
            user: Some("ci"),
            ..Self::get("/", &[])
        }
    }

    fn view(&self) -> RequestView<'_> {
        let is_tunnel = matches!(self.form, RequestForm::Connect | RequestForm::Sni);
        let scheme = (!is_tunnel).then_some("http");
        RequestView {
            form: self.form,
            scheme,
            host: &self.host,
            port: self.port,
            head: (self.form != RequestForm::Sni).then_some(RequestHead {
                method: &self.method,
                uri: &self.uri,
                version: Version::HTTP_11,
                headers: &self.headers,
            }),
            source: "10.1.2.3:34418".parse().unwrap(),
            listener: "0.0.0.0:8080".parse().unwrap(),
            server_name: Some(&self.name),
            user: self.user,
            certificate: self.certificate.as_ref(),
            claims: None,
            egress: EgressDestination {
                scheme,
                host: &self.egress,
                port: Port::HTTP,
            },
            response: None,
        }
    }
}

/// Evaluates over the request, and over one that was kept.
fn evaluate(text: &str, sample: &Sample) -> Result<bool, EvaluationError> {
    let expression = Expression::compile(text, AbsentHeaders::AreErrors);
    let expression = expression.unwrap_or_else(|fault| panic!("{text}: {fault}"));
    let view = sample.view();
    let evaluated = expression.evaluate(&view);
    let kept = view.keep();
    assert_eq!(expression.evaluate(&kept.view(view.egress)), evaluated);
    evaluated
}

/// What Envoy's CEL says of each, but for names that are not Envoy's.
#[test]
fn attributes_have_the_values_of_envoy() {
    let sample = Sample::get(
        "/p/%7Euser/../q?q=1&r=2",
        &[
            ("x-a", "one"),
            ("x-two", "1"),
            ("x-two", "2"),
            ("user-agent", "curl/8"),
            ("x-number", "42"),
        ],
    );
    for (text, expected) in [
        ("request.path == '/p/q?q=1&r=2'", true),
        ("request.url_path == '/p/q'", true),
        ("request.query == 'q=1&r=2'", true),
        ("request.host == 'shop.example'", true),
        ("request.headers.host == 'shop.example'", true),
        ("request.headers[':authority'] == 'shop.example'", true),
        ("request.headers[':method'] == 'GET'", true),
        ("request.scheme == 'http'", true),
        ("request.method in ['GET', 'HEAD']", true),
        ("request.method in ['PUT']", false),
        ("request.method in []", false),
        ("request.protocol == 'HTTP/1.1'", true),
        ("request.form == 'host'", true),
        ("request.useragent.startsWith('curl/')", true),
        ("request.headers['x-a'] == 'one'", true),
        ("request.headers['X-A'] == 'one'", true),
        ("request.headers.x_a == 'one' || true", true),
        ("request.headers['x-two'] == '1,2'", true),
        ("'x-a' in request.headers", true),
        ("'x-none' in request.headers", false),
        ("has(request.headers.host)", true),
        ("has(request.headers.none)", false),
        ("source.address == '10.1.2.3:34418'", true),
        ("source.address.startsWith('10.')", true),
        ("source.port == 34418", true),
        ("source.port == 34418u", true),
        ("source.user == ''", true),
        ("destination.address == '0.0.0.0:8080'", true),
        ("destination.port == 8080", true),
        ("connection.mtls", false),
        ("connection.requested_server_name == 'front.example'", true),
        ("egress.host == 'origin.example' && egress.port == 80", true),
        ("egress.host.endsWith('.example')", true),
        ("egress.scheme == 'http'", true),
        ("egress.port in [443, 80]", true),
        ("egress.port >= 1024", false),
        ("int(request.headers['x-number']) == 0x2a", true),
        ("request.url_path.matches('^/p/[a-z]$')", true),
        ("matches(request.url_path, '^/q')", false),
        (
            "size(request.method) == 3 && request.method.size() < 4",
            true,
        ),
        ("(egress.port * 2 - 10) / 3 % 7 == 1", true),
        ("-egress.port < 0", true),
        ("egress.port == 80 ? request.host == 'no' : true", false),
        ("(egress.port == 80 ? 'a' : 'b') < 'b'", true),
        ("(egress.port == 80) != false", true),
        ("!!true && !false // a comment", true),
        ("r'\\d' == '\\\\d' && '\\x41\\u0042\\103' == 'ABC'", true),
        ("'''a\nb''' == \"a\\nb\"", true),
        ("'z' > 'a' && 'a' <= 'a' && 'A' != 'a'", true),
    ] {
        assert_eq!(evaluate(text, &sample), Ok(expected), "{text}");
    }
}

#[test]
fn the_names_of_a_certificate_are_a_list() {
    let sample = Sample::with_names(vec![
        AlternativeName::Dns("api.example".into()),
        AlternativeName::Uri("spiffe://prod/ns/pay/sa/api".into()),
        AlternativeName::Ip("192.0.2.1".parse().unwrap()),
    ]);
    let none = Sample::get("/", &[]);
    for (text, with, without) in [
        ("'api.example' in source.certificate", true, false),
        ("'192.0.2.1' in source.certificate", true, false),
        ("'other' in source.certificate", false, false),
        (
            "source.certificate.exists(name, name.startsWith('spiffe://prod/'))",
            true,
            false,
        ),
        ("source.certificate.all(n, n.contains('.'))", false, true),
        ("size(source.certificate) == 3", true, false),
        ("source.user == 'ci' && connection.mtls", true, false),
    ] {
        assert_eq!(evaluate(text, &sample), Ok(with), "{text}");
        assert_eq!(evaluate(text, &none), Ok(without), "{text}");
    }
    let text = "source.certificate[0] == 'api.example' && \
                connection.uri_san_peer_certificate.endsWith('/api') && \
                connection.dns_san_peer_certificate == 'api.example'";
    assert_eq!(evaluate(text, &sample), Ok(true));
    assert_eq!(evaluate(text, &none), Err(EvaluationError::NoName(0)));
}

/// What is absent makes an expression neither true nor false, and its negation too, unless the other side of `&&` or `||`
/// decides: as Envoy has it.
#[test]
fn errors_are_neither_true_nor_false() {
    let sample = Sample::get("/", &[("x-a", "1")]);
    let none = HeaderName::from_static("x-none");
    let no_header = Err(EvaluationError::NoHeader(none));
    for (text, expected) in [
        ("request.headers['x-none'] == 'x'", no_header.clone()),
        ("!(request.headers['x-none'] == 'x')", no_header.clone()),
        ("request.headers['x-none'] == 'x' || true", Ok(true)),
        ("true || request.headers['x-none'] == 'x'", Ok(true)),
        ("request.headers['x-none'] == 'x' && false", Ok(false)),
        (
            "request.headers['x-none'] == 'x' || false",
            no_header.clone(),
        ),
        (
            "request.headers['x-none'] == 'x' && true",
            no_header.clone(),
        ),
        (
            "!('x-none' in request.headers) || request.headers['x-none'] == 'y'",
            Ok(true),
        ),
        ("request.headers['x-none'] == 'x' ? true : true", no_header),
        ("int(request.host) == 1", Err(EvaluationError::NotNumber)),
        ("egress.port / 0 == 1", Err(EvaluationError::Arithmetic)),
        (
            "9223372036854775807 + egress.port > 0",
            Err(EvaluationError::Arithmetic),
        ),
    ] {
        assert_eq!(evaluate(text, &sample), expected, "{text}");
    }
    let text = "request.headers['x-none'] == '' && !(request.headers['x-none'] == 'y')";
    let reads_empty = Expression::compile(text, AbsentHeaders::ReadEmpty).unwrap();
    assert_eq!(reads_empty.evaluate(&sample.view()), Ok(true));
}

#[test]
fn tunnels_do_not_show_what_is_inside() {
    let no_path = Err(EvaluationError::NoAttribute("request.path"));
    let no_scheme = Err(EvaluationError::NoAttribute("egress.scheme"));
    let no_method = Err(EvaluationError::NoAttribute("request.method"));
    let x_team = HeaderName::from_static("x-team");
    for (text, connect, sni, hidden) in [
        (
            "request.path == '/'",
            no_path.clone(),
            no_path,
            [true, true],
        ),
        ("has(request.path)", Ok(false), Ok(false), [false, false]),
        (
            "egress.scheme == 'https'",
            no_scheme.clone(),
            no_scheme,
            [true, true],
        ),
        (
            "request.method == 'CONNECT'",
            Ok(true),
            no_method,
            [false, true],
        ),
        (
            "request.headers['x-team'] == 'ops'",
            Ok(true),
            Err(EvaluationError::NoHeader(x_team)),
            [false, true],
        ),
        (
            "request.host == 'shop.example:8443'",
            Ok(true),
            Ok(false),
            [false, false],
        ),
        (
            "request.host == 'shop.example'",
            Ok(false),
            Ok(true),
            [false, false],
        ),
        ("request.form == 'sni'", Ok(false), Ok(true), [false, false]),
        (
            "egress.host == 'origin.example'",
            Ok(true),
            Ok(true),
            [false, false],
        ),
    ] {
        assert_eq!(evaluate(text, &Sample::connect()), connect, "{text}");
        assert_eq!(evaluate(text, &Sample::sni()), sni, "{text}");
        let inputs = Expression::compile(text, AbsentHeaders::AreErrors)
            .unwrap()
            .inputs();
        let told = [RequestForm::Connect, RequestForm::Sni].map(|form| inputs.are_hidden(form));
        assert_eq!(told, hidden, "{text}");
        assert!(!inputs.are_hidden(RequestForm::Absolute), "{text}");
    }
}

#[test]
fn bytes_that_are_no_text_do_not_hide_the_others() {
    let mut sample = Sample::get("/", &[]);
    let value = HeaderValue::from_bytes(b"\xffevil\xff").unwrap();
    sample.headers.insert("x-a", value);
    let text = "request.headers['x-a'].contains('evil')";
    assert_eq!(evaluate(text, &sample), Ok(true));
}

#[test]
fn addresses_are_written_as_in_a_target() {
    let mut sample = Sample::get("/", &[]);
    sample.egress = "[2001:db8::1]".parse().unwrap();
    assert_eq!(
        evaluate("egress.host == '[2001:db8::1]'", &sample),
        Ok(true)
    );
    sample.egress = "192.0.2.1".parse().unwrap();
    assert_eq!(evaluate("egress.host == '192.0.2.1'", &sample), Ok(true));
}

#[test]
fn values_are_told_with_their_types() {
    let sample = Sample::get("/a?b=c", &[("x-team", "ops")]);
    let told = |text: &str| {
        let expression = ToldExpression::compile(text).unwrap();
        expression.evaluate(&sample.view())
    };
    let text = |text: &str| Some(ToldValue::Text(text.to_owned()));
    assert_eq!(told("request.path"), text("/a?b=c"));
    assert_eq!(told("request.headers['x-team']"), text("ops"));
    assert_eq!(told("size(request.method) + 1"), Some(ToldValue::Number(4)));
    assert_eq!(told("connection.mtls"), Some(ToldValue::Truth(false)));
    assert_eq!(told("request.headers['x-none']"), None);
    for text in ["request.headers", "['a']", "request.nothing"] {
        assert!(ToldExpression::compile(text).is_err(), "{text}");
    }
}
