//! Formats as they are read: what is refused, and what a time is written like.

use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::*;

fn fault(format: &str) -> String {
    LogFormat::text(format).unwrap_err().to_string()
}

/// Formats with an operator that is not known, or not used as it has to be.
const FAULTS: &[(&str, &str)] = &[
    ("%FOO%", "at position 0: %FOO%: no such command operator"),
    (
        "code %RESPONSE_COD%",
        "at position 5: %RESPONSE_COD%: no such command operator; did you mean RESPONSE_CODE?",
    ),
    (
        "%VIRTUAL_HOST_NAME%",
        "at position 0: %VIRTUAL_HOST_NAME%: no such command operator",
    ),
    ("%REQ%", "at position 0: %REQ%: requires parameters"),
    ("%REQ()%", "at position 0: %REQ%: requires parameters"),
    (
        "%ENVIRONMENT()%",
        "at position 0: %ENVIRONMENT%: requires parameters",
    ),
    (
        "%QUERY_PARAM()%",
        "at position 0: %QUERY_PARAM%: requires parameters",
    ),
    (
        "%DYNAMIC_METADATA%",
        "at position 0: %DYNAMIC_METADATA%: requires parameters",
    ),
    (
        "%FILTER_STATE()%",
        "at position 0: %FILTER_STATE%: requires parameters",
    ),
    (
        "%COMMON_DURATION%",
        "at position 0: %COMMON_DURATION%: requires parameters",
    ),
    (
        "%REQ(X?Y?Z)%",
        "at position 0: %REQ%: more than one alternative after ?",
    ),
    (
        "%REQ(X Y)%",
        "at position 0: %REQ%: X Y is no name of a header field",
    ),
    (
        "%RESPONSE_CODE(x)%",
        "at position 0: %RESPONSE_CODE%: does not take any parameters",
    ),
    (
        "%DURATION(x)%",
        "at position 0: %DURATION%: does not take any parameters",
    ),
    (
        "%REQUEST_DURATION(x)%",
        "at position 0: %REQUEST_DURATION%: does not take any parameters",
    ),
    (
        "%RESPONSE_CODE:3%",
        "at position 0: %RESPONSE_CODE%: does not allow a length",
    ),
    (
        "%ROUTE_NAME:3%",
        "at position 0: %ROUTE_NAME%: does not allow a length",
    ),
    (
        "%UPSTREAM_HOST:3%",
        "at position 0: %UPSTREAM_HOST%: does not allow a length",
    ),
    (
        "%START_TIME(%s):4%",
        "at position 0: %START_TIME%: does not allow a length",
    ),
    (
        "%COMMON_DURATION(A:B:ms):3%",
        "at position 0: %COMMON_DURATION%: does not allow a length",
    ),
    (
        "%COMMON_DURATION(A:B:s)%",
        "at position 0: %COMMON_DURATION%: invalid precision s: ms, us or ns",
    ),
    (
        "%PATH(XX)%",
        "at position 0: %PATH%: XX is not WQ (with the query) or NQ (without)",
    ),
    (
        "%PATH(WQ:YY)%",
        "at position 0: %PATH%: YY is not ORIG, PATH or ORIG_OR_PATH",
    ),
    (
        "%REQUESTED_SERVER_NAME(X)%",
        "at position 0: %REQUESTED_SERVER_NAME%: X is not SNI_ONLY, SNI_FIRST or HOST_FIRST",
    ),
    (
        "%GRPC_STATUS(X)%",
        "at position 0: %GRPC_STATUS%: X is not CAMEL_STRING, SNAKE_STRING or NUMBER",
    ),
    (
        "%QUERY_PARAMS(RAW)%",
        "at position 0: %QUERY_PARAMS%: takes no parameters here",
    ),
    (
        "%TYPED_CEL(response.code)%",
        "at position 0: %TYPED_CEL%: values of expressions are not supported; celFilter is",
    ),
    (
        "%EGRET(verdit)%",
        "at position 0: %EGRET%: no such field verdit; did you mean verdict?",
    ),
];

#[test]
fn what_is_no_operator_is_refused_with_its_position() {
    let no_command =
        "no command operator, such as %RESPONSE_CODE% or %REQ(HOST)%; %% is a percent sign";
    for (format, position) in [
        ("100% sure", 3),
        ("a%b", 1),
        ("%", 0),
        ("%REQ(X", 0),
        ("%REQ(X%", 0),
        ("%req(x)%", 0),
        ("%RESPONSE_CODE%%", 15),
        ("%REQ(X):%", 0),
        ("%REQ(X):a%", 0),
        ("%REQ(X):-1%", 0),
    ] {
        assert_eq!(
            fault(format),
            format!("at position {position}: {no_command}"),
            "{format}"
        );
    }
    for (format, expected) in FAULTS {
        assert_eq!(fault(format), *expected, "{format}");
    }
}

#[test]
fn what_is_taken() {
    for format in [
        "%%",
        "%RESPONSE_CODE()%",
        "%REQ(?Y)%",
        "%REQ(X):0%",
        "%START_TIME()%",
        "%START_TIME(%Q)%",
        "%COMMON_DURATION(A:B)%",
        "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(33)%",
        "%RESPONSE_CODE_DETAILS(X)%",
        "%QUERY_PARAMS%",
        "%SPAN_ID%",
        "%REQ(X-B?X-A):3%%RESPONSE_CODE%",
        "%DYNAMIC_METADATA(a:b):2%",
    ] {
        assert!(LogFormat::text(format).is_ok(), "{format}");
    }
    for field in LogField::ALL {
        assert!(LogFormat::text(&format!("%{}%", field.name())).is_ok());
    }
    for field in OwnField::ALL {
        assert!(LogFormat::text(&format!("%EGRET({})%", field.name())).is_ok());
    }
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else {
        panic!("not an object");
    };
    object
}

/// The pieces of a JSON format, with `{}` for each value.
fn skeleton(value: Value) -> String {
    let format = LogFormat::json(&object(value)).unwrap();
    let pieces = format.pieces().iter().map(|piece| match piece {
        FormatPiece::Literal(text) => text.clone(),
        FormatPiece::Json(..) => "{value}".to_owned(),
        FormatPiece::Text(_) | FormatPiece::JsonText(_) => "{text}".to_owned(),
    });
    pieces.collect()
}

#[test]
fn a_json_format_is_one_line_with_sorted_keys() {
    let format = json!({
        "z": "%REQ(X-CASE)%",
        "a": 1,
        "B": [true, null, {}, [], "", "x\"\\\n", "%RESPONSE_CODE%"],
        "m": {"y": "%RESPONSE_CODE%", "b": "code=%RESPONSE_CODE%"},
        "n": [1.5, 100_000, 1_000_000, 2_147_483_648_u64],
        "percent": "100%%",
        "é\n": "<&>é",
    });
    let expected = r#"{"B":[true,null,{},[],"","x\"\\\n",{value}],"a":1,"m":{"b":{text},"y":{value}},"n":[1.5,1e+05,1e+06,2147483648],"percent":"100%","z":"{value}","é\n":"<&>é"}"#;
    assert_eq!(skeleton(format), format!("{expected}\n"));
}

#[test]
fn the_fault_of_a_json_format_is_found_by_its_keys() {
    let format = object(json!({"a": "%PROTOCOL%", "b": {"list": ["x", "at %REG(X)%"]}}));
    let (key, fault) = LogFormat::json(&format).unwrap_err();
    assert_eq!(key, ".b.list[1]");
    assert_eq!(
        fault.to_string(),
        "at position 3: %REG%: no such command operator; did you mean REQ?"
    );
}

#[test]
fn only_what_formats_ask_for_is_kept() {
    let inputs = |formats: &[&str]| {
        let sinks = formats.iter().map(|format| LogSink {
            path: LogPath::Stdout,
            format: LogFormat::text(format).unwrap(),
            filter: None,
        });
        LogSinks::new(sinks.collect()).inputs
    };
    let nothing = "%PROTOCOL% %RESPONSE_CODE% %REQ(:METHOD)% %DURATION% %UPSTREAM_HOST%";
    assert_eq!(inputs(&[nothing]), LogInputs::default());
    let names = |names: &[http::HeaderName]| -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    };
    let all = inputs(&[
        "%REQ(X-A?X-B)% %RESP(X-UP)% %REQ(x-a)%",
        "%TRAILER(X-T)% %PATH%",
    ]);
    assert_eq!(names(&all.request_headers), ["x-a", "x-b"]);
    assert_eq!(names(&all.response_headers), ["x-up"]);
    assert_eq!(names(&all.response_trailers), ["x-t"]);
    assert!(all.target && !all.sizes && !all.local_address);
    assert!(inputs(&["%RESPONSE_HEADERS_BYTES%"]).sizes);
    assert!(inputs(&["%DOWNSTREAM_LOCAL_ADDRESS%"]).local_address);
    assert_eq!(
        names(&inputs(&["%GRPC_STATUS%"]).response_trailers),
        ["grpc-status"]
    );
}

#[test]
fn what_is_never_known_is_named() {
    let format =
        LogFormat::text("%UPSTREAM_TLS_CIPHER% %PROTOCOL% %FILTER_STATE(a)% %UPSTREAM_TLS_CIPHER%")
            .unwrap();
    assert_eq!(
        format.never_known(),
        ["UPSTREAM_TLS_CIPHER", "FILTER_STATE"]
    );
    let format = LogFormat::json(&object(json!({"a": ["%TLS_JA3_FINGERPRINT%"]}))).unwrap();
    assert_eq!(format.never_known(), ["TLS_JA3_FINGERPRINT"]);
}

#[test]
fn times_are_written_in_the_words_of_strftime() {
    let at = UNIX_EPOCH + Duration::new(1_795_874_497, 654_799_000);
    let at = Timestamp::try_from(at).unwrap();
    let written = |operator: &str| {
        let format = LogFormat::text(operator).unwrap();
        let command = format.commands().next().unwrap();
        let Operator::Time(_, format) = &command.operator else {
            panic!("no time: {operator}");
        };
        let mut out = Vec::new();
        format.write(at, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(written("%START_TIME%"), "2026-11-28T14:01:37.654Z");
    assert_eq!(written("%EMIT_TIME%"), "2026-11-28T14:01:37.654Z");
    assert_eq!(
        written("%START_TIME_LOCAL%"),
        "2026-11-28T14:01:37.654+0000"
    );
    for (format, expected) in [
        ("%s", "1795874497"),
        ("%s.%3f", "1795874497.654"),
        ("%s.%6f", "1795874497.654799"),
        ("%f", "654799000"),
        ("%1f", "6"),
        ("%Y/%m/%dT%H:%M:%S%z", "2026/11/28T14:01:37+0000"),
        ("%Y-%m-%dT%H:%M:%E3SZ", "2026-11-28T14:01:37.654Z"),
        (
            "%a %A %b %B %d %e %j %y %Z %p %I %D %T %F %R %u",
            "Sat Saturday Nov November 28 28 332 26 UTC PM 02 11/28/26 14:01:37 2026-11-28 14:01 6",
        ),
        (
            "%w %U %W %V %G %g %C %h %k %l %P %r",
            "6 47 47 48 2026 26 20 Nov 14  2 pm 02:01:37 PM",
        ),
        (
            "%c|%x|%X|%n|%t|",
            "Sat Nov 28 14:01:37 2026|11/28/26|14:01:37|\n|\t|",
        ),
        ("%Q %% plain %E", "%Q % plain %E"),
    ] {
        assert_eq!(
            written(&format!("%START_TIME({format})%")),
            expected,
            "{format}"
        );
    }
}

#[test]
fn strings_are_escaped_as_envoy_does() {
    let escaped = |bytes: &[u8]| {
        let mut out = bytes.to_vec();
        push_escaped(&mut out, 0);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(escaped(b"plain <>&"), "plain <>&");
    assert_eq!(escaped("é \u{7f}".as_bytes()), "é \u{7f}");
    assert_eq!(
        escaped(b"\"\\\t\n\r\x08\x0c\x01"),
        r#"\"\\\t\n\r\b\f\u0001"#
    );
    assert_eq!(escaped(b"caf\xe9"), r"caf\u00e9");
    assert_eq!(escaped("café \u{0}".as_bytes()), r"café \u0000");
    assert_eq!(escaped(b"caf\xc3\xa9 \xff"), r"caf\u00c3\u00a9 \u00ff");
    let mut out = b"\"kept".to_vec();
    push_escaped(&mut out, 1);
    assert_eq!(out, b"\"kept");
}

#[test]
fn flags_have_the_bits_of_envoy() {
    let bits = |flag| ResponseFlags::one(flag).bits();
    assert_eq!(bits(ResponseFlag::UpstreamConnectionFailure), 32);
    assert_eq!(bits(ResponseFlag::DownstreamConnectionTermination), 0x4000);
    assert_eq!(bits(ResponseFlag::DnsResolutionFailed), 0x400_0000);
    assert_eq!(ResponseFlags::NONE.bits(), 0);
}
