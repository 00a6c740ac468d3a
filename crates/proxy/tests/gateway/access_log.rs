//! Tests of access logs that policies configure: what is written of which exchange, and where.

use std::fs::{self, File};
use std::path::Path;

use egret_testkit::gateway::{
    QUICKSTART, documents, egress_policy, listener_policy, quickstart_config,
};
use egret_testkit::{DnsServer, Gateway, Upstream, wait_until};
use serde_json::{Value, json};

/// A policy of the Gateway whose sinks are these.
fn logged(sinks: &Value) -> String {
    listener_policy("log", &format!("{{httpSettings: {{accessLog: {sinks}}}}}"))
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn each_sink_writes_its_own_line_in_place_of_the_default_log() {
    let (dns, upstream) = (DnsServer::with_a_example(), Upstream::start());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let format = json!({
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "authority": "%REQ(:AUTHORITY)%",
        "agent": "%REQ(USER-AGENT)%",
        "none": "%REQ(X-NONE)%",
        "credential": "%REQ(PROXY-AUTHORIZATION)%",
        "type": "%RESP(CONTENT-TYPE)%",
        "length": "%RESP(CONTENT-LENGTH)%",
        "code": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "upstream": {
            "host": "%UPSTREAM_HOST%",
            "name": "%UPSTREAM_HOST_NAME%",
            "protocol": "%UPSTREAM_PROTOCOL%",
            "cluster": "%UPSTREAM_CLUSTER%",
            "local": "%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%",
            "tries": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        },
        "local": "%DOWNSTREAM_LOCAL_ADDRESS%",
        "verdict": "%EGRET(verdict)%",
    });
    let text = "%RESPONSE_CODE% %BYTES_SENT% %PROTOCOL% %ROUTE_NAME%\n";
    let sinks = json!([
        {"fileSink": {"path": "/dev/stdout", "jsonFormat": format}},
        {
            "fileSink": {"path": file, "stringFormat": text},
            "filter": {"statusCodeFilter": {"op": "LE", "value": 299}},
        },
    ]);
    let gateway = Gateway::start(&documents(&[
        &quickstart_config(dns.addr()),
        &logged(&sinks),
    ]));
    let host = format!("a.example:{}", upstream.port());
    let mut client = gateway.connect();
    // It is written to one of the two.
    assert_eq!(client.get("/", "10.9.9.9").status, 403);
    let response = client.request(format!(
        "GET /p?q=1 HTTP/1.1\r\nhost: {host}\r\nuser-agent: probe\r\nproxy-authorization: Basic YTpi\r\n\r\n"
    ));
    assert_eq!(response.status, 200);
    let record = &gateway.wait_for_records(2)[1];
    let expected = json!({
        "method": "GET",
        "path": "/p?q=1",
        "authority": host,
        "agent": "probe",
        "none": null,
        // It is for the gateway, and not sent on.
        "credential": null,
        "type": record["type"],
        "length": response.body.len().to_string(),
        "code": 200,
        "flags": "-",
        "details": "via_upstream",
        "upstream": {
            "host": upstream.addr().to_string(),
            "name": host,
            "protocol": "HTTP/1.1",
            "cluster": "httpbin/dfp-backend",
            "local": "127.0.0.1",
            "tries": 1,
        },
        "local": gateway.address().to_string(),
        "verdict": "allow",
    });
    assert_eq!(*record, expected);
    wait_until("a line in the file", || lines(&file).len() == 1);
    let text = lines(&file).remove(0);
    let expected = format!("200 {} HTTP/1.1 httpbin/", response.body.len());
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn what_is_not_sent_on_is_told_as_it_came_or_as_the_listener_changed_it() {
    let policy = egress_policy("none", "defaultAction: Deny");
    for (early, more, expected) in [
        ("{}", "", ["probe", "a.example"]),
        (
            "{set: [{name: user-agent, value: changed}]}",
            "",
            ["changed", "a.example"],
        ),
        // With a field that no record tells by itself.
        ("{}", " %REQ(X-TEAM)%", ["probe", "a.example one"]),
    ] {
        let format = format!("%REQ(USER-AGENT)% %REQ(:AUTHORITY)%{more}");
        let sinks = json!([{"fileSink": {"path": "/dev/stdout", "jsonFormat": {"told": format}}}]);
        let settings = match early {
            "{}" => format!("{{httpSettings: {{accessLog: {sinks}}}}}"),
            early => format!(
                "{{httpSettings: {{accessLog: {sinks}, earlyRequestHeaderModifier: {early}}}}}"
            ),
        };
        let config = documents(&[QUICKSTART, &policy, &listener_policy("log", &settings)]);
        let gateway = Gateway::start(&config);
        let request =
            "GET / HTTP/1.1\r\nhost: a.example\r\nuser-agent: probe\r\nx-team: one\r\n\r\n";
        assert_eq!(gateway.connect().request(request).status, 403);
        let record = gateway.wait_for_records(1).remove(0);
        assert_eq!(record, json!({"told": expected.join(" ")}));
    }
}

#[test]
fn refusals_are_told_in_the_words_of_envoy_and_in_our_own() {
    let policy = egress_policy(
        "only",
        "defaultAction: Deny\n  rules: [{name: no mail, action: Deny, hosts: [mail.example]}]",
    );
    let format = json!({
        "code": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "length": "%RESP(CONTENT-LENGTH)%",
        "rule": "%EGRET(rule)%",
        "reason": "%EGRET(reason)%",
    });
    let sinks = json!([{"fileSink": {"path": "/dev/stdout", "jsonFormat": format}}]);
    let gateway = Gateway::start(&documents(&[QUICKSTART, &policy, &logged(&sinks)]));
    let refused = gateway.get("mail.example", "/");
    assert_eq!(refused.status, 403);
    let expected = json!({
        "code": 403,
        "flags": "-",
        "details": "egress_policy_denied{kgateway-system/only,no_mail}",
        "length": refused.body.len().to_string(),
        "rule": "no mail",
        "reason": "egress_policy",
    });
    assert_eq!(gateway.wait_for_records(1)[0], expected);
    // A head that cannot be read belongs to no listener.
    let mut client = gateway.connect();
    client.send_request("GET / HTTP/1.1\r\nbad header\r\n\r\n");
    assert_eq!(client.read_response().status, 400);
    let record = &gateway.wait_for_records(2)[1];
    assert_eq!(record["flags"], "DPE");
    assert_eq!(record["details"], "http1.codec_error");
}

#[test]
fn a_file_is_closed_when_no_policy_names_it_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let sinks = json!([{"fileSink": {"path": file, "stringFormat": "%RESPONSE_CODE%\n"}}]);
    let mut gateway = Gateway::start(&documents(&[QUICKSTART, &logged(&sinks)]));
    assert_eq!(gateway.get("10.9.9.9", "/").status, 403);
    wait_until("a line in the file", || lines(&file) == ["403"]);
    assert!(is_open(&file));
    gateway.apply(QUICKSTART);
    wait_until("a file that is closed", || !is_open(&file));
    assert_eq!(gateway.get("10.9.9.9", "/").status, 403);
    assert_eq!(gateway.wait_for_records(1)[0]["status"], 403);
    assert_eq!(lines(&file), ["403"]);
}

/// Whether this process has the file open.
fn is_open(file: &Path) -> bool {
    let descriptors = fs::read_dir("/proc/self/fd").expect("the descriptors of this process");
    let mut targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.any(|target| target == file)
}

#[test]
fn a_log_that_cannot_be_written_is_told_and_delays_nothing() {
    let sinks = json!([{"fileSink": {"path": "/dev/full", "stringFormat": "%RESPONSE_CODE%\n"}}]);
    let gateway = Gateway::start(&documents(&[QUICKSTART, &logged(&sinks)]));
    assert_eq!(gateway.get("10.9.9.9", "/").status, 403);
    gateway.wait_for_metric("egret_access_log_dropped_total", 1.0);
    let ready = gateway.ask("/readyz");
    assert_eq!(ready.status, 200);
    let text = ready.text();
    assert!(
        text.starts_with("ready\nlines are being lost: the access log /dev/full: No space left"),
        "{text}"
    );
}

#[test]
fn a_pipe_whose_reader_stalls_costs_lines_and_is_told_until_it_reads_on() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    // Open, so that the writer can begin, and not read yet.
    let mut reader = File::options().read(true).write(true).open(&pipe).unwrap();
    // Each line is a batch of its own, so that few requests fill the pipe and the queue.
    let format = format!("{}\n", "x".repeat(16 * 1024));
    let sinks = json!([{"fileSink": {"path": pipe, "stringFormat": format}}]);
    let gateway = Gateway::start(&documents(&[QUICKSTART, &logged(&sinks)]));
    let mut client = gateway.connect();
    for _ in 0..300 {
        assert_eq!(client.get("/", "10.9.9.9").status, 403);
    }
    assert!(gateway.metric("egret_access_log_dropped_total") > 0.0);
    let said = format!(
        "lines are being lost: the access log {}: its reader does not keep up",
        pipe.display()
    );
    let ready = gateway.ask("/readyz");
    assert_eq!(ready.status, 200);
    assert_eq!(ready.text(), format!("ready\n{said}\n"));
    assert!(gateway.ask("/overview").text().contains(&said));
    // Ends with the process of the tests: a pipe that is open for writing has no end.
    std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
    wait_until("end of the trouble", || {
        gateway.ask("/readyz").text() == "ready\n"
    });
}

#[test]
fn what_a_listener_answers_as_a_health_check_is_left_out_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let [all, others, traced] = ["all", "others", "traced"].map(|name| folder.path().join(name));
    let sink = |file: &Path, filter: Value| {
        let mut sink = json!({"fileSink": {"path": file, "stringFormat": "%RESPONSE_CODE%\n"}});
        if !filter.is_null() {
            sink["filter"] = filter;
        }
        sink
    };
    let sinks = json!([
        sink(&all, Value::Null),
        sink(&others, json!({"notHealthCheckFilter": true})),
        sink(&traced, json!({"traceableFilter": true})),
    ]);
    let settings = format!("{{healthCheck: {{path: /alive}}, accessLog: {sinks}}}");
    let policy = listener_policy("log", &format!("{{httpSettings: {settings}}}"));
    let gateway = Gateway::start(&documents(&[QUICKSTART, &policy]));
    let mut client = gateway.connect();
    assert_eq!(client.get("/alive", "10.9.9.9").status, 200);
    assert_eq!(client.get("/", "10.9.9.9").status, 403);
    wait_until("both lines", || lines(&all).len() == 2);
    wait_until("the other line", || !lines(&others).is_empty());
    assert_eq!(lines(&others), ["403"]);
    // Nothing is traced.
    assert_eq!(lines(&traced), [""; 0]);
}
