//! `localReplies` of ListenerPolicies, and what they say of proxies before the gateway.

use http::HeaderValue;

use super::{CompiledConfig, GATEWAY, kgateway_policy, problems, warnings, with_route};
use crate::snapshot::{
    CertificateDetails, CertificateForwarding, ForwardedFor, ForwardedTrust, ListenerHttp,
};

fn with(line: &str) -> CompiledConfig {
    let spec = format!("  targetRefs: [{GATEWAY}]\n  default: {{httpSettings: {{{line}}}}}\n");
    with_route(&kgateway_policy("ListenerPolicy", "p", "infra", &spec))
}

fn http(line: &str) -> Option<ListenerHttp> {
    let compiled = with(line);
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let socket = compiled.snapshot.sockets.values().next().unwrap();
    socket.listeners[0].http.as_deref().cloned()
}

#[test]
fn mappers_become_settings() {
    let replies = http(
        "localReplies: {defaultBodyFormat: {json: {a: '%RESPONSE_CODE% %REQ(X-A)%'}}, mappers: [\
         {filter: {headerFilter: {header: {name: x-b, value: y}}}, statusCode: 502, body: no, \
         bodyFormatOverride: {text: '%LOCAL_REPLY_BODY%', contentType: text/html}, headers: {set: [{name: x-c, value: d}]}}]}",
    );
    let replies = replies.unwrap().local_replies.unwrap();
    let format = replies.format.as_ref().unwrap();
    assert_eq!(format.content_type, "application/json");
    let [mapper] = replies.mappers.as_slice() else {
        panic!("{replies:?}");
    };
    assert_eq!(mapper.status.unwrap(), 502);
    assert_eq!(mapper.body.as_deref(), Some("no"));
    assert_eq!(mapper.format.as_ref().unwrap().content_type, "text/html");
    let set = ("x-c".parse().unwrap(), HeaderValue::from_static("d"));
    assert_eq!(mapper.headers.set, [set]);
    assert_eq!(replies.inputs.request_headers, ["x-a"]);
    assert_eq!(replies.inputs.request_lines, ["x-b"]);
}

#[test]
fn a_field_of_an_answer_may_be_in_a_secret() {
    let spec = format!(
        "  targetRefs: [{GATEWAY}]\n  default: {{httpSettings: {{localReplies: {{mappers: [{{filter: \
         {{statusCodeFilter: {{op: GE, value: 400}}}}, headers: {{set: [{{name: x-a, secretRef: {{name: s, key: k}}}}]}}}}]}}}}}}\n"
    );
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: infra}\nstringData: {k: told}\n";
    let policy = kgateway_policy("ListenerPolicy", "p", "infra", &spec);
    let compiled = with_route(&format!("{policy}{secret}"));
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let socket = compiled.snapshot.sockets.values().next().unwrap();
    let http = socket.listeners[0].http.as_ref().unwrap();
    let replies = http.local_replies.as_ref().unwrap();
    let [(name, value)] = &*replies.mappers[0].headers.set else {
        panic!("{replies:?}");
    };
    assert_eq!((name.as_str(), value.as_bytes()), ("x-a", &b"told"[..]));
    assert!(value.is_sensitive());
    // A process that may read no Secrets but those that are referred to reads this one.
    let shown = serde_json::to_string(&replies).unwrap();
    assert!(!shown.contains("told"), "{shown}");
}

#[test]
fn what_is_wrong_with_mappers_is_named() {
    const ALL: &str = "filter: {statusCodeFilter: {op: GE, value: 400}}";
    for (replies, fault) in [
        (
            "{}",
            ": at least one of the fields in [mappers defaultBodyFormat]".to_owned(),
        ),
        (
            "{defaultBodyFormat: {}}",
            ".defaultBodyFormat: exactly one of the fields in [json text]".to_owned(),
        ),
        (
            "{defaultBodyFormat: {text: '%NONE%'}}",
            ".defaultBodyFormat.text: ".to_owned(),
        ),
        (
            "{defaultBodyFormat: {json: {a: {b: '%NONE%'}}}}",
            ".defaultBodyFormat.json.a.b: ".to_owned(),
        ),
        (
            &format!("{{mappers: [{{{ALL}}}]}}"),
            ".mappers[0]: at least one of the fields in [statusCode body".to_owned(),
        ),
        (
            &format!("{{mappers: [{{{ALL}, statusCode: 600}}]}}"),
            ".mappers[0].statusCode: 100 to 599 is allowed".to_owned(),
        ),
        (
            &format!("{{mappers: [{{{ALL}, statusCode: 101}}]}}"),
            ".mappers[0].statusCode: an interim response is no answer".to_owned(),
        ),
        (
            &format!("{{mappers: [{{{ALL}, headers: {{remove: [a]}}}}]}}"),
            ".mappers[0].headers.remove: local reply mappers may only".to_owned(),
        ),
        (
            &format!("{{mappers: [{{{ALL}, headers: {{set: [{{name: host, value: a}}]}}}}]}}"),
            ".mappers[0].headers.set[0].name: this header cannot be modified".to_owned(),
        ),
        (
            &format!(
                "{{mappers: [{{{ALL}, headers: {{set: [{{name: x, secretRef: {{name: a}}}}]}}}}]}}"
            ),
            ".mappers[0].headers.set[0].secretRef: Secret infra/a not found".to_owned(),
        ),
        (
            &format!("{{mappers: [{{{ALL}, headers: {{add: [{{secretRef: {{name: a}}}}]}}}}]}}"),
            ".mappers[0].headers.add[0]: name or secretRef.key is needed".to_owned(),
        ),
        (
            "{mappers: [{filter: {}, body: a}]}",
            ".mappers[0].filter: exactly one filter is needed".to_owned(),
        ),
    ] {
        let told = problems(&with(&format!("localReplies: {replies}")));
        let expected = format!("spec.default.httpSettings.localReplies{fault}");
        assert!(told[0].contains(&expected), "{replies}: {told:?}");
    }
    let told = warnings(&with(
        "localReplies: {defaultBodyFormat: {text: '%UPSTREAM_TLS_CIPHER%'}}",
    ));
    assert!(
        told[0].contains("localReplies: what these command operators"),
        "{told:?}"
    );
}

#[test]
fn fields_about_proxies_are_read_together() {
    let networks = |texts: &[&str]| {
        let networks = texts.iter().map(|text| text.parse().unwrap());
        ForwardedTrust::Networks(networks.collect())
    };
    for (line, trust, appends) in [
        ("useRemoteAddress: true", ForwardedTrust::Peer, true),
        ("skipXFFAppend: true", ForwardedTrust::Peer, false),
        ("xffNumTrustedHops: 0", ForwardedTrust::Peer, true),
        ("xffNumTrustedHops: 2", ForwardedTrust::Entry(1), true),
        ("useRemoteAddress: false", ForwardedTrust::Entry(0), false),
        (
            "useRemoteAddress: false, xffNumTrustedHops: 2",
            ForwardedTrust::Entry(2),
            false,
        ),
        (
            "useRemoteAddress: false, xffTrustedCIDRs: [10.0.0.0/8, '2001:db8::1']",
            networks(&["10.0.0.0/8", "2001:db8::1/128"]),
            false,
        ),
        (
            "useRemoteAddress: false, skipXFFAppend: false",
            ForwardedTrust::Entry(0),
            true,
        ),
    ] {
        let expected = Some(ForwardedFor { trust, appends });
        assert_eq!(http(line).unwrap().forwarded_for, expected, "{line}");
    }
    assert_eq!(http(""), None);
    for (line, fault) in [
        (
            "xffTrustedCIDRs: [10.0.0.0/8]",
            "useRemoteAddress: useRemoteAddress must be set to false",
        ),
        (
            "useRemoteAddress: false, xffTrustedCIDRs: [10.0.0.0/8], xffNumTrustedHops: 1",
            "xffNumTrustedHops: only one of",
        ),
        (
            "useRemoteAddress: false, xffTrustedCIDRs: [ten]",
            "xffTrustedCIDRs[0]: \"ten\" is no network",
        ),
        (
            "useRemoteAddress: false, xffTrustedCIDRs: []",
            "xffTrustedCIDRs: at least one is needed",
        ),
        ("xffNumTrustedHops: -1", "xffNumTrustedHops: 0 to"),
        (
            "earlyRequestHeaderModifier: {set: [{name: host, value: a}]}",
            "earlyRequestHeaderModifier.set[0].name: this header cannot be modified",
        ),
        (
            "forwardClientCertDetails: {mode: Sanitize, details: {dns: true}}",
            "forwardClientCertDetails.details: details requires mode",
        ),
        (
            "forwardClientCertDetails: {mode: Forward}",
            "forwardClientCertDetails.mode: Sanitize, ForwardOnly",
        ),
    ] {
        let told = problems(&with(line));
        let expected = format!("spec.default.httpSettings.{fault}");
        assert!(told[0].contains(&expected), "{line}: {told:?}");
    }
}

#[test]
fn certificates_are_forwarded_as_the_mode_says() {
    let dns = CertificateDetails {
        dns: true,
        ..CertificateDetails::default()
    };
    for (mode, expected) in [
        ("{}", None),
        ("{mode: Sanitize}", None),
        ("{mode: ForwardOnly}", Some(CertificateForwarding::Proven)),
        (
            "{mode: AlwaysForwardOnly}",
            Some(CertificateForwarding::Always),
        ),
        (
            "{details: {dns: true}}",
            Some(CertificateForwarding::Set(dns)),
        ),
        (
            "{mode: AppendForward, details: {dns: true}}",
            Some(CertificateForwarding::Appended(dns)),
        ),
    ] {
        let http = http(&format!("forwardClientCertDetails: {mode}"));
        assert_eq!(http.and_then(|http| http.certificate), expected, "{mode}");
    }
}
