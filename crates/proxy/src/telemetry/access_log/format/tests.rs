//! What each operator prints for each kind of exchange, as text and in JSON.

use egret_config::access_log::{LogFormat, LogPath, LogSink, LogSinks};
use serde_json::{Map, Value, json};

use super::*;

mod rows;
pub(in crate::telemetry) mod situations;

use situations::Situation;

/// The formats of a log with one sink.
fn sinks(format: LogFormat) -> LogSinks {
    LogSinks::new(vec![LogSink {
        path: LogPath::Stdout,
        format,
        filter: None,
    }])
}

fn text(format: &str) -> LogSinks {
    sinks(LogFormat::text(format).unwrap())
}

fn object(value: Value) -> LogSinks {
    let Value::Object(object) = value else {
        panic!("not an object: {value}");
    };
    sinks(LogFormat::json(&object).unwrap())
}

/// The line of an exchange.
fn line(log: &LogSinks, situation: &Situation) -> Vec<u8> {
    let mut out = Vec::new();
    situation.with_record(&log.inputs, |record| {
        let facts = LineFacts {
            record,
            inputs: &log.inputs,
        };
        write_line(&log.sinks[0].format, facts, &mut out);
    });
    out
}

fn printed(format: &str, situation: &Situation) -> String {
    String::from_utf8(line(&text(format), situation)).unwrap()
}

/// The JSON value of one operator.
fn typed(operator: &str, situation: &Situation) -> Value {
    let mut format = Map::new();
    format.insert("v".to_owned(), operator.into());
    let line = line(&object(Value::Object(format)), situation);
    let mut value: Value = serde_json::from_slice(&line).unwrap();
    value["v"].take()
}

#[test]
fn every_operator_prints_what_envoy_prints() {
    let situations = situations::all();
    for row in rows::ROWS.trim().lines() {
        let cells: Vec<&str> = row.split(" | ").map(str::trim).collect();
        let (operator, kind, cells) = (cells[0], cells[1], &cells[2..]);
        let operator = format!("%{operator}%");
        assert_eq!(cells.len(), situations.len(), "{operator}");
        for (cell, (name, situation)) in cells.iter().zip(&situations) {
            let expected = cell.replace('∅', "");
            assert_eq!(
                printed(&operator, situation),
                expected,
                "{operator} of {name}"
            );
            let value = match (kind, expected.as_str()) {
                ("text" | "number", "-") => Value::Null,
                ("number", number) => number.parse::<u64>().unwrap().into(),
                (_, text) => text.into(),
            };
            assert_eq!(typed(&operator, situation), value, "{operator} of {name}");
        }
    }
}

#[test]
fn every_field_has_a_row_or_is_always_missing() {
    // Each is another for each line or machine, and has a test of its own.
    let elsewhere = [LogField::UniqueId, LogField::Hostname];
    let has_row = |field: &LogField| {
        let mut rows = rows::ROWS.trim().lines();
        rows.any(|row| {
            row.split_once(" | ")
                .is_some_and(|(name, _)| name == field.name())
        })
    };
    for field in LogField::ALL {
        let operator = format!("%{}%", field.name());
        if field.is_known() {
            assert!(has_row(field) || elsewhere.contains(field), "{operator}");
            continue;
        }
        let (printed_as, value) = match field.missing() {
            MissingValue::Null => ("-", Value::Null),
            MissingValue::Dash => ("-", "-".into()),
            MissingValue::Empty => ("", "".into()),
            MissingValue::Zero => ("0", 0.into()),
        };
        for (name, situation) in situations::all() {
            assert_eq!(
                printed(&operator, &situation),
                printed_as,
                "{operator} of {name}"
            );
            assert_eq!(typed(&operator, &situation), value, "{operator} of {name}");
        }
    }
}

#[test]
fn the_place_in_a_trace_is_told_in_hexadecimal() {
    let sampled = situations::sampled();
    assert_eq!(printed("%TRACE_ID%", &sampled), "ab".repeat(16));
    assert_eq!(typed("%SPAN_ID%", &sampled), "0c".repeat(8));
}

#[test]
fn a_json_line_has_typed_values_and_sorted_keys() {
    let served = situations::served();
    let log = object(json!({
        "z": "%REQ(X-A)%",
        "a": 1,
        "m": {"y": "%RESPONSE_CODE%", "b": "%REQ(X-NONE)%"},
        "mix": "code=%RESPONSE_CODE%",
        "missing": "a-%REQ(X-NONE)%",
        "blank": "%REQ(X-NONE)% ",
        "twice": "%RESPONSE_CODE%%RESPONSE_CODE%",
        "before": " %RESPONSE_CODE%",
        "list": ["%REQ(X-NONE)%", "%REQ(X-EMPTY)%", "%PROTOCOL%"],
        "percent": "%%",
    }));
    let expected = concat!(
        r#"{"a":1,"before":" 200","blank":"- ","list":[null,"","HTTP/1.1"],"m":{"b":null,"y":200},"#,
        r#""missing":"a--","mix":"code=200","percent":"%","twice":"200200","z":"avalue"}"#,
        "\n"
    );
    assert_eq!(String::from_utf8(line(&log, &served)).unwrap(), expected);
}

#[test]
fn nothing_is_escaped_or_added_in_text() {
    let served = situations::served();
    let odd = "[%REQ(X-ODD)%] 100%%";
    assert_eq!(line(&text(odd), &served), b"[\"q\\ \t caf\xe9] 100%");
    let json = line(
        &object(json!({"v": "%REQ(X-ODD)%", "w": "<%REQ(X-ODD)%>"})),
        &served,
    );
    let expected = r#"{"v":"\"q\\ \t caf\u00e9","w":"<\"q\\ \t caf\u00e9>"}"#;
    assert_eq!(String::from_utf8(json).unwrap(), format!("{expected}\n"));
}

#[test]
fn a_length_cuts_bytes() {
    let served = situations::served();
    for (operator, expected) in [
        ("%REQ(X-A):3%", b"ava".as_slice()),
        ("%REQ(X-A):0%", b""),
        ("%REQ(X-A):99%", b"avalue"),
        ("%REQ(X-NONE):0%", b"-"),
        ("%REQ(X-UTF8):4%", b"caf\xc3"),
    ] {
        assert_eq!(line(&text(operator), &served), expected, "{operator}");
    }
    let json = line(&object(json!({"v": "%REQ(X-UTF8):4%"})), &served);
    assert_eq!(json, b"{\"v\":\"caf\\u00c3\"}\n");
}

#[test]
fn the_status_of_a_grpc_call_is_that_of_its_end_or_of_http() {
    use situations::grpc;
    let none = None;
    for (situation, camel, snake, number) in [
        (grpc(200, Some("0"), none), "OK", "OK", 0),
        (grpc(200, none, Some("5")), "NotFound", "NOT_FOUND", 5),
        (grpc(200, Some("99"), none), "99", "99", 99),
        (grpc(200, Some("abc"), none), "-1", "-1", -1),
        (grpc(200, none, none), "Unknown", "UNKNOWN", 2),
        (grpc(404, none, none), "Unimplemented", "UNIMPLEMENTED", 12),
        (grpc(503, none, none), "Unavailable", "UNAVAILABLE", 14),
    ] {
        assert_eq!(printed("%GRPC_STATUS%", &situation), camel);
        assert_eq!(printed("%GRPC_STATUS(SNAKE_STRING)%", &situation), snake);
        assert_eq!(typed("%GRPC_STATUS(NUMBER)%", &situation), number);
        assert_eq!(typed("%GRPC_STATUS_NUMBER%", &situation), number);
    }
}

#[test]
fn paths_are_those_that_were_sent_and_the_original_where_it_was_changed() {
    let rewritten = situations::rewritten();
    for (operator, expected) in [
        ("%REQ(:PATH)%", "/new?q=1"),
        ("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/old?q=1"),
        ("%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/old"),
        ("%PATH%", "/old?q=1"),
        ("%PATH(NQ)%", "/old"),
        ("%PATH(WQ:ORIG)%", "/old?q=1"),
        ("%PATH(NQ:PATH)%", "/new"),
        ("%REQ(:AUTHORITY)%", "other.test"),
    ] {
        assert_eq!(printed(operator, &rewritten), expected, "{operator}");
    }
}

#[test]
fn the_facts_of_client_tls_are_told() {
    let mutual = situations::mutual_tls();
    for (operator, expected) in [
        ("%DOWNSTREAM_TLS_VERSION%", "TLSv1.3"),
        ("%DOWNSTREAM_TLS_CIPHER%", "TLS_AES_256_GCM_SHA384"),
        ("%DOWNSTREAM_TLS_GROUP%", "X25519"),
        ("%DOWNSTREAM_PEER_URI_SAN%", "spiffe://t/cl,spiffe://t/cl2"),
        ("%DOWNSTREAM_PEER_DNS_SAN%", "cl.test,cl2.test"),
        ("%DOWNSTREAM_PEER_IP_SAN%", "10.1.2.3"),
        ("%DOWNSTREAM_PEER_EMAIL_SAN%", "c@cl.test"),
        ("%DOWNSTREAM_PEER_SUBJECT%", "-"),
        ("%DOWNSTREAM_PEER_CERT_V_START%", "2026-11-28T13:58:12.000Z"),
        ("%DOWNSTREAM_PEER_CERT_V_END(%Y-%m-%d)%", "2026-12-28"),
    ] {
        assert_eq!(printed(operator, &mutual), expected, "{operator}");
    }
}

#[test]
fn our_own_words_can_be_told_beside_those_of_envoy() {
    let denied = situations::denied();
    let format = json!({
        "verdict": "%EGRET(verdict)%",
        "policy": "%EGRET(policy)%",
        "rule": "%EGRET(rule)%",
        "reason": "%EGRET(reason)%",
        "destination": "%EGRET(destination)%",
        "total_ms": "%EGRET(total_ms)%",
        "dns_ms": "%EGRET(dns_ms)%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
    });
    let line: Value = serde_json::from_slice(&line(&object(format), &denied)).unwrap();
    let expected = json!({
        "verdict": "deny",
        "policy": "edge/partners",
        "rule": "no-mail",
        "reason": "egress_policy",
        "destination": "mail.test:443",
        "total_ms": 0.25,
        "dns_ms": null,
        "flags": "-",
        "details": "egress_policy_denied{edge/partners,no-mail}",
    });
    assert_eq!(line, expected);
}

#[test]
fn identities_are_uuids_of_their_own() {
    let served = situations::served();
    let [one, two] = [(), ()].map(|()| printed("%UNIQUE_ID%", &served));
    assert_ne!(one, two);
    let parts: Vec<usize> = one.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12]);
    assert_eq!(&one[14..15], "4");
    assert!(matches!(&one[19..20], "8" | "9" | "a" | "b"));
}

#[test]
fn the_environment_and_the_machine_are_told() {
    let served = situations::served();
    let path = std::env::var("PATH").unwrap();
    assert_eq!(printed("%ENVIRONMENT(PATH)%", &served), path);
    assert_eq!(typed("%ENVIRONMENT(EGRET_NO_SUCH_VARIABLE)%", &served), "-");
    let host = nix::unistd::gethostname().unwrap();
    assert_eq!(printed("%HOSTNAME%", &served), host.to_str().unwrap());
}

#[test]
fn retries_that_were_not_enough_are_flagged_first() {
    for (change, flags, bits) in [
        (situations::exhausted(), "URX,UC", 0x8040),
        (situations::limited(), "UO", 0x80),
    ] {
        assert_eq!(printed("%RESPONSE_FLAGS%", &change), flags);
        change.with_record(&LogInputs::default(), |record| {
            assert_eq!(words::flags(record).bits(), bits);
        });
    }
}
