use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;

/// The templates `set x-0`, `set x-1` and so on.
fn templates(reading: BodyReading, sources: &[&str], body: Option<&str>) -> MessageTemplates {
    let mut templates = MessageTemplates {
        reading,
        ..MessageTemplates::default()
    };
    for (index, source) in sources.iter().enumerate() {
        let name: HeaderName = format!("x-{index}").parse().unwrap();
        let template = templates.environment.compile(source).unwrap();
        templates.set.push((FieldName(name), Some(template)));
    }
    templates.body = body.map(|source| templates.environment.compile(source).unwrap());
    templates
}

fn fields(
    pseudo: &[(&'static str, &str)],
    headers: &[(&'static str, &str)],
) -> Arc<TemplateFields> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    let pseudo = pseudo.iter();
    Arc::new(TemplateFields {
        pseudo: pseudo
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        headers: map,
    })
}

fn input(body: Option<&[u8]>) -> MessageInput<'_> {
    MessageInput {
        fields: fields(
            &[(":status", "200")],
            &[("foo", "bar"), ("x-many", "a"), ("x-many", "b")],
        ),
        request: fields(
            &[(":path", "/a?b"), (":authority", "a.example:8080")],
            &[
                ("x-base64-encoded", "dHJhbnNmb3JtYXRpb24gdGVzdA=="),
                ("baz", "one pattern two"),
                ("cookie", "first=1; Session=a=b"),
                ("cookie", "second=2"),
            ],
        ),
        body,
        variable: |name| (name == "POD_NAME").then(|| "gateway-0".to_owned()),
    }
}

/// What one template gives for a message; empty if it fails.
fn rendered(reading: BodyReading, source: &str, body: Option<&[u8]>) -> String {
    let templates = templates(reading, &[source], None);
    let rendered = templates.render(input(body)).unwrap();
    let mut headers = HeaderMap::new();
    rendered.fields.apply(&mut headers);
    let value = headers.get("x-0").map(|value| value.to_str().unwrap());
    value.unwrap_or_default().to_owned()
}

#[test]
fn templates_have_the_functions_of_kgateway() {
    for (source, expected) in [
        ("summer", "summer"),
        (r#"{{ header(":status") }}"#, "200"),
        (r#"{{ header("FOO") }}"#, "bar"),
        (r#"{{ header("x-many") }}"#, "a,b"),
        (r#"{{ header("missing") }}"#, ""),
        (
            r#"{% if header("foo") == "bar" %}401{% else %}403{% endif %}"#,
            "401",
        ),
        (
            r#"https://{{ request_header(":authority") }}{{ request_header(":path") }}"#,
            "https://a.example:8080/a?b",
        ),
        (
            r#"{{ substring(base64_decode(request_header("x-base64-encoded")), 11) }}"#,
            "ion test",
        ),
        (r#"{{ substring("response", 0, 4) }}"#, "resp"),
        (r#"{{ substring("response", 0, 100) }}"#, "response"),
        (r#"{{ substring("response", 0, -1) }}"#, "response"),
        (r#"{{ substring("response", 8) }}"#, ""),
        (r#"{{ substring("response", -1) }}"#, ""),
        (
            r#"{% if substring("äöü", 1, 1) == "ö" %}true{% endif %}"#,
            "true",
        ),
        (
            r#"{{ base64_encode("a~?") }} {{ base64url_encode("a~?") }}"#,
            "YX4/ YX4_",
        ),
        (r#"{{ base64url_decode("YX4_") }}"#, "a~?"),
        (r#"{{ base64_decode("not base64") }}"#, ""),
        (r#"{{ raw_string('a"b') }}"#, r#"a\"b"#),
        (
            r#"{{ replace_with_string(request_header("baz"), "pattern", "x") }}"#,
            "one x two",
        ),
        (r#"{{ replace_with_string("aaa", "", "x") }}"#, "aaa"),
        (
            r#"{{ get_cookie("Session") }} {{ get_cookie("session") }}{{ get_cookie_i("SECOND") }}"#,
            "a=b 2",
        ),
        (r#"{{ env("POD_NAME") }}{{ env("PATH") }}"#, "gateway-0"),
        (r#"{{ request_header("baz") | upper }}"#, "ONE PATTERN TWO"),
        // What fails, and what is no header value.
        (r#"{{ header(1) }}"#, ""),
        (r#"{{ "a\r\nb: c" }}"#, ""),
        (r#"{{ 1 / 0 }}"#, ""),
    ] {
        assert_eq!(
            rendered(BodyReading::Text, source, None),
            expected,
            "{source}"
        );
    }
}

/// So that a part of a JSON body is JSON again, as in kgateway.
#[test]
fn values_are_printed_as_kgateway_prints_them() {
    let body = br#"{"yes": true, "nothing": null, "list": ["a", 1, false], "object": {"k": "v"}}"#;
    for (source, expected) in [
        ("{{ yes }} {{ not yes }} {{ 1 == 1 }}", "true false true"),
        ("{{ nothing }}", "none"),
        ("{{ list }}", r#"["a", 1, false]"#),
        ("{{ object }}", r#"{"k": "v"}"#),
        ("{{ [object, [nothing]] }}", r#"[{"k": "v"}, [none]]"#),
        (r#"{{ list[0] }}-{{ missing }}-{{ "text" }}"#, "a--text"),
        ("{{ list[1] + 1 }} {{ 1.5 }}", "2 1.5"),
    ] {
        let printed = rendered(BodyReading::Json, source, Some(body));
        assert_eq!(printed, expected, "{source}");
    }
}

#[test]
fn each_random_text_is_another_one() {
    let source = r#"{{ replace_with_random("to be", "be") }}"#;
    let templates = templates(BodyReading::Unread, &[source], None);
    let text = || {
        let rendered = templates.render(input(None)).unwrap();
        let mut headers = HeaderMap::new();
        rendered.fields.apply(&mut headers);
        headers["x-0"].to_str().unwrap().to_owned()
    };
    let (one, other) = (text(), text());
    assert_eq!(one.len(), "to ".len() + 22, "{one}");
    assert!(one.starts_with("to "), "{one}");
    assert_ne!(one, other);
}

#[test]
fn the_body_is_text_or_json() {
    let body =
        br#"{"slideshow": {"author": "Yours Truly", "slides": [1, 2]}, "header": "x", "a-b": 1}"#;
    for (reading, source, expected) in [
        (BodyReading::Json, "{{ slideshow.author }}", "Yours Truly"),
        (BodyReading::Json, "{{ slideshow.slides[1] }}", "2"),
        (BodyReading::Json, "{{ slideshow.missing }}", ""),
        (BodyReading::Json, r#"{{ context()["a-b"] }}"#, "1"),
        // The sender of the body takes no function away.
        (BodyReading::Json, r#"{{ header("foo") }}"#, "bar"),
        (BodyReading::Json, "{{ body() | length }}", "83"),
        (BodyReading::Text, "{{ body() | length }}", "83"),
        (BodyReading::Text, "{{ context() }}", ""),
        (BodyReading::Unread, "{{ body() }}", ""),
    ] {
        let body = Some(&body[..]).filter(|_| reading != BodyReading::Unread);
        assert_eq!(rendered(reading, source, body), expected, "{source}");
    }
    let list = Some(&b"[3, 2, 1]"[..]);
    let source = "{% for i in context() %}{{ i }}{% endfor %}";
    assert_eq!(rendered(BodyReading::Json, source, list), "321");
}

#[test]
fn a_body_that_is_not_what_the_templates_need_is_a_fault() {
    let json = templates(BodyReading::Json, &["{{ a.b }}"], None);
    let no_json = RenderFault::NoJson {
        field: "set of x-0".to_owned(),
        variable: "a".to_owned(),
    };
    assert_eq!(
        json.render(input(Some(b"hello"))),
        Err(RenderFault::NotJson)
    );
    for body in [&b""[..], b"null"] {
        assert_eq!(json.render(input(Some(body))), Err(no_json.clone()));
    }
    let text = templates(BodyReading::Text, &["{{ a.b }}"], None);
    assert_eq!(text.render(input(Some(b"{}"))), Err(no_json));
    let failing = templates(BodyReading::Json, &[], Some("a\n{{ a.b.c.d }}"));
    let fault = failing
        .render(input(Some(br#"{"a": "secret"}"#)))
        .unwrap_err();
    assert_eq!(fault.to_string(), "body: line 2: undefined value");
}

#[test]
fn what_a_template_may_use_is_limited() {
    let large = vec![b'a'; 1 << 20];
    for source in [
        r#"{{ replace_with_string(body(), "a", body()) }}"#,
        "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}",
        r#"{{ body() * 1000 }}"#,
        "{% for i in range(9999) %}{{ body() }}{% endfor %}",
    ] {
        let templates = templates(BodyReading::Text, &[], Some(source));
        let fault = templates.render(input(Some(&large))).unwrap_err();
        assert!(fault.to_string().contains("fuel"), "{source}: {fault}");
    }
    let templates = templates(BodyReading::Text, &[], Some("<{{ body() }}>"));
    let rendered = templates.render(input(Some(&large))).unwrap();
    assert_eq!(rendered.body.map(|body| body.len()), Some((1 << 20) + 2));
}

#[test]
fn fields_are_set_then_added_then_removed() {
    let mut templates = templates(BodyReading::Unread, &["new", ""], None);
    templates.set[1].1 = None;
    let added = templates.environment.compile("more").unwrap();
    templates.add = vec![(FieldName(HeaderName::from_static("x-0")), added)];
    templates.remove = vec![HeaderName::from_static("x-gone")];
    let rendered = templates.render(input(None)).unwrap();
    let mut headers = HeaderMap::new();
    for name in ["x-0", "x-1", "x-gone", "x-kept"] {
        headers.append(name, HeaderValue::from_static("old"));
        headers.append(name, HeaderValue::from_static("older"));
    }
    rendered.fields.apply(&mut headers);
    let all = |name| headers.get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(all("x-0"), ["new", "more"]);
    assert_eq!(all("x-kept"), ["old", "older"]);
    assert_eq!(headers.len(), 4, "{headers:?}");
}

#[test]
fn templates_are_compared_and_shown_by_their_text() {
    let one = templates(BodyReading::Text, &["{{ header('a') }}"], Some("b"));
    let same = templates(BodyReading::Text, &["{{ header('a') }}"], Some("b"));
    let other = templates(BodyReading::Text, &["{{ header('c') }}"], Some("b"));
    assert_eq!(one, same);
    assert_ne!(one, other);
    let json = serde_json::to_value(&one).unwrap();
    assert_eq!(json["set"][0][0], "x-0");
    assert_eq!(json["set"][0][1], "{{ header('a') }}");
    assert_eq!(json["body"], "b");
}
