use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{
    HeaderMatch, HostSpecificity, MatchConditions, PathMatch, QueryMatch, RegexPattern,
    RequestFacts, RouteEntry, RouteTable, RpcMatch, TextMatch,
};
use crate::name::{Host, HostPattern};
use crate::resources::{
    Kind, LocatedObject, Namespace, ObjectRef, ObjectSeniority, SourceLocation,
};
use crate::snapshot::{Misconfiguration, RouteFilters, RouteRule, RouteTimeouts, RuleAction};

fn prefix(path: &str) -> MatchConditions {
    matching(PathMatch::Prefix(path.to_owned()))
}

fn matching(path: PathMatch) -> MatchConditions {
    MatchConditions {
        path,
        method: None,
        headers: Vec::new(),
        query: Vec::new(),
    }
}

fn rpc(service: Option<&str>, method: Option<&str>) -> PathMatch {
    let exact = |text: &str| TextMatch::Exact(text.to_owned());
    PathMatch::Rpc(RpcMatch {
        service: service.map(exact),
        method: method.map(exact),
    })
}

fn regex(text: &str) -> PathMatch {
    PathMatch::Regex(RegexPattern::new(text).unwrap())
}

fn header(name: &'static str, value: &str) -> HeaderMatch {
    HeaderMatch {
        name: HeaderName::from_static(name),
        value: TextMatch::Exact(value.to_owned()),
    }
}

fn param(name: &str, value: &str) -> QueryMatch {
    QueryMatch {
        name: name.to_owned(),
        value: TextMatch::Exact(value.to_owned()),
    }
}

fn seniority(route: &str) -> ObjectSeniority {
    let object: LocatedObject<Namespace> = LocatedObject {
        value: Arc::default(),
        source: SourceLocation::default(),
    };
    object.seniority(&ObjectRef::new(Kind::HttpRoute, "ns", route))
}

fn entry(route: &str, index: usize, host: &str, matches: MatchConditions) -> RouteEntry {
    let route_ref = ObjectRef::new(Kind::HttpRoute, "ns", route);
    RouteEntry {
        host: (!host.is_empty()).then(|| HostPattern::parse(host).unwrap()),
        specificity: HostSpecificity::default(),
        matches,
        weight: 0,
        seniority: seniority(route),
        match_index: 0,
        rule: Arc::new(RouteRule {
            mirrors: Vec::new(),
            index,
            name: None,
            policies: Arc::default(),
            filters: RouteFilters::default(),
            timeouts: RouteTimeouts::default(),
            session: None,
            action: RuleAction::Refuse(Misconfiguration {
                object: route_ref.clone(),
                message: "".into(),
            }),
            route: route_ref,
        }),
    }
}

/// The rule as `route/index`, and the prefix that matched.
fn find(table: &RouteTable, request: &http::Request<()>) -> Option<(String, Option<String>)> {
    let uri = request.uri();
    let host: Host = uri.host().unwrap().parse().unwrap();
    let found = table.find(&RequestFacts {
        host: &host,
        method: request.method(),
        path: uri.path(),
        query: uri.query(),
        headers: request.headers(),
    })?;
    let rule = format!("{}/{}", found.rule.route.name, found.rule.index);
    Some((rule, found.matched_prefix.map(str::to_owned)))
}

fn get(table: &RouteTable, uri: &str) -> Option<String> {
    let request = http::Request::get(uri).body(()).unwrap();
    find(table, &request).map(|(rule, _)| rule)
}

/// Each entry takes precedence over the next, in whichever order they are given.
#[test]
fn precedence() {
    let method = MatchConditions {
        method: Some(Method::GET),
        ..prefix("/a/b")
    };
    let headers = |count: usize| MatchConditions {
        headers: [header("h1", "1"), header("h2", "2")][..count].to_vec(),
        ..prefix("/a/b")
    };
    let query = |count: usize| MatchConditions {
        query: [param("q1", "1"), param("q2", "2")][..count].to_vec(),
        ..prefix("/a/b")
    };
    let both = MatchConditions {
        method: Some(Method::GET),
        ..headers(1)
    };
    let ranked = [
        entry("z", 9, "", matching(PathMatch::Exact("/a/b".to_owned()))),
        entry("y", 9, "", matching(regex("/a/.*"))),
        entry("x", 9, "", both),
        entry("w", 9, "", method),
        entry("v", 9, "", headers(2)),
        entry("u", 9, "", headers(1)),
        entry("t", 9, "", query(2)),
        entry("s", 9, "", query(1)),
        entry("b", 0, "", prefix("/a/b")),
        entry("b", 1, "", prefix("/a/b")),
        entry("c", 0, "", prefix("/a/b")),
        entry("a", 0, "", prefix("/a")),
        entry("a", 1, "", prefix("/")),
    ];
    let request = http::Request::get("http://x.test/a/b?q1=1&q2=2")
        .header("h1", "1")
        .header("h2", "2");
    let request = request.body(()).unwrap();
    for first in 0..ranked.len() {
        let left = &ranked[first..];
        let expected = format!("{}/{}", left[0].rule.route.name, left[0].rule.index);
        for table in [
            RouteTable::new(left.to_vec()),
            RouteTable::new(left.iter().rev().cloned()),
        ] {
            let (found, _) = find(&table, &request).unwrap();
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn matches_of_one_rule_are_in_order() {
    let mut second = entry("a", 0, "", matching(regex("/.*")));
    second.match_index = 1;
    let first = entry("a", 0, "", matching(regex("/a")));
    let table = RouteTable::new([second, first]);
    assert_eq!(table.any[0].matches, matching(regex("/a")));
}

#[test]
fn the_most_specific_hostname_decides_alone() {
    let table = RouteTable::new([
        entry("exact", 0, "a.b.example", prefix("/only")),
        entry("narrow", 0, "*.b.example", prefix("/")),
        entry("wide", 0, "*.example", prefix("/")),
        entry("any", 0, "", prefix("/")),
    ]);
    let cases = [
        ("http://a.b.example/only", Some("exact/0")),
        ("http://a.b.example/other", None),
        ("http://x.b.example/", Some("narrow/0")),
        ("http://x.y.b.example/", Some("narrow/0")),
        ("http://b.example/", Some("wide/0")),
        ("http://x.example/", Some("wide/0")),
        ("http://example/", Some("any/0")),
        ("http://notexample/", Some("any/0")),
        ("http://192.0.2.1/", Some("any/0")),
        ("http://[::1]/", Some("any/0")),
    ];
    for (uri, expected) in cases {
        assert_eq!(get(&table, uri).as_deref(), expected, "{uri}");
    }
    assert!(!table.is_empty());
    assert!(RouteTable::default().is_empty());
    assert_eq!(table.rules().count(), 4);
}

#[test]
fn addresses_do_not_match_hostnames() {
    let table = RouteTable::new([
        entry("a", 0, "*.test", prefix("/")),
        entry("b", 0, "x.test", prefix("/")),
    ]);
    assert_eq!(get(&table, "http://192.0.2.1/"), None);
}

#[test]
fn the_prefix_that_matched_is_told() {
    let table = RouteTable::new([
        entry("a", 0, "", prefix("/v1/")),
        entry("a", 1, "", matching(PathMatch::Exact("/v2".to_owned()))),
    ]);
    let prefix = |uri: &str| find(&table, &http::Request::get(uri).body(()).unwrap());
    assert_eq!(
        prefix("http://x.test/v1"),
        Some(("a/0".to_owned(), Some("/v1/".to_owned())))
    );
    assert_eq!(prefix("http://x.test/v2"), Some(("a/1".to_owned(), None)));
    assert_eq!(prefix("http://x.test/v2/"), None);
}

#[test]
fn expressions_match_from_end_to_end() {
    let matches = |text: &str, path: &str| RegexPattern::new(text).unwrap().is_match(path);
    assert!(matches("/a|/b", "/b"));
    assert!(matches("/v[0-9]+", "/v10"));
    assert!(matches("/a|/ab", "/ab"));
    assert!(!matches("/a|/b", "/ab"));
    assert!(!matches("/v[0-9]", "/v1/x"));
    assert!(!matches("v1", "/v1"));
    assert!(!matches("(?m)^/a$", "/a\n/b"));
    // What RE2 has, in its meaning: classes and word boundaries of ASCII, case of every script.
    for (text, matching, other) in [
        (r"/users/\d+", "/users/42", "/users/x"),
        (r"/users/\d+", "/users/4", "/users/\u{664}"),
        (r"\w+", "a_1", "\u{e9}"),
        (r"\W", "\u{e9}", "a"),
        (r"[\w.]+", "a.b", "a-b"),
        (r"a\sb", "a b", "a\u{a0}b"),
        (r"a\Sb", "a\u{a0}b", "a b"),
        (r".*\bfoo\b.*", "a foo b", "afoob"),
        (r".*\Boo", "foo", "f oo"),
        ("(?i)mozilla.*", "MoZilla/5", "Mozzila"),
        ("(?i)\u{e9}", "\u{c9}", "e"),
        (r"\pL+", "a\u{e9}", "1"),
        (r"\Qa.b\E", "a.b", "axb"),
        ("[[:alpha:]]+", "ab", "a1"),
        ("(?s)a.b", "a\nb", "ab"),
        (r"(?P<x>a)\/b{2,3}", "a/bb", "a/b"),
    ] {
        assert!(matches(text, matching), "{text} {matching}");
        assert!(!matches(text, other), "{text} {other}");
    }
    for refused in ["(", "a)|(b", "*", r"\1", "(?x)a # b"] {
        let error = RegexPattern::new(refused).unwrap_err();
        assert!(
            error.starts_with("not a regular expression: ") && !error.contains('\n'),
            "{error}"
        );
    }
    assert_eq!(
        RegexPattern::new("a").unwrap(),
        RegexPattern::new("a").unwrap()
    );
    assert_ne!(
        RegexPattern::new("a").unwrap(),
        RegexPattern::new("b").unwrap()
    );
}

#[test]
fn methods_and_headers() {
    let table = |matches: MatchConditions| RouteTable::new([entry("a", 0, "", matches)]);
    let post = table(MatchConditions {
        method: Some(Method::POST),
        ..prefix("/")
    });
    assert_eq!(get(&post, "http://x.test/"), None);
    let request = http::Request::post("http://x.test/").body(()).unwrap();
    assert!(find(&post, &request).is_some());

    let cases: [(&[&'static str], &str, bool); 6] = [
        (&["1"], "1", true),
        (&["2"], "1", false),
        (&[], "", false),
        (&[""], "", true),
        (&["1", "2"], "1,2", true),
        (&["1", "2"], "1", false),
    ];
    for (values, wanted, expected) in cases {
        let matches = MatchConditions {
            headers: vec![header("a", wanted)],
            ..prefix("/")
        };
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("a", HeaderValue::from_static(value));
        }
        let host: Host = "x.test".parse().unwrap();
        let facts = RequestFacts {
            host: &host,
            method: &Method::GET,
            path: "/",
            query: None,
            headers: &headers,
        };
        assert_eq!(matches.holds(&facts), expected, "{values:?} {wanted}");
    }
}

#[test]
fn tables_are_equal_by_what_they_say() {
    let table = |path: &str| {
        RouteTable::new([
            entry("a", 0, "a.test", prefix(path)),
            entry("a", 0, "", matching(regex(path))),
        ])
    };
    assert_eq!(table("/a"), table("/a"));
    assert_ne!(table("/a"), table("/b"));
    let json = serde_json::to_value(table("/a")).unwrap();
    assert_eq!(json[0]["hostname"], "a.test");
    assert_eq!(json[1]["rules"][0]["matches"]["path"]["Regex"], "/a");
}

/// A CONNECT names a host and a port; it has neither path nor query.
#[test]
fn a_connect_falls_under_what_says_nothing_of_paths() {
    let request = http::Request::builder().method(Method::CONNECT);
    let request = request.uri("x.test:443").body(()).unwrap();
    let connect = MatchConditions {
        method: Some(Method::CONNECT),
        ..prefix("/")
    };
    let get = MatchConditions {
        method: Some(Method::GET),
        ..prefix("/")
    };
    let query = MatchConditions {
        query: vec![param("a", "1")],
        ..prefix("/")
    };
    for (matches, expected) in [
        (prefix("/"), true),
        (connect, true),
        (get, false),
        (query, false),
        (prefix("/v1"), false),
        (matching(PathMatch::Exact("/".to_owned())), false),
        (matching(regex(".*")), false),
        (matching(rpc(None, None)), false),
    ] {
        assert_eq!(matches.matches_connect(), expected, "{matches:?}");
        let table = RouteTable::new([entry("a", 0, "", matches.clone())]);
        assert_eq!(find(&table, &request).is_some(), expected, "{matches:?}");
    }
}

#[test]
fn query_parameters_are_compared_decoded() {
    let exact = |text: &str| TextMatch::Exact(text.to_owned());
    let cases = [
        ("a", exact("1"), Some("a=1"), true),
        ("a", exact("1"), Some("b=2&a=1"), true),
        ("a", exact("1"), Some("a=2&a=1"), false),
        ("a", exact("1"), Some("A=1"), false),
        ("a", exact("1"), Some("a=11"), false),
        ("a", exact("1"), Some(""), false),
        ("a", exact("1"), None, false),
        ("a", exact(""), Some("a"), true),
        ("a", exact(""), Some("a="), true),
        ("a", exact(""), Some("b"), false),
        ("a", exact("x y"), Some("a=x+y"), true),
        ("a", exact("x y"), Some("a=x%20y"), true),
        ("a", exact("x+y"), Some("a=x%2By"), true),
        ("a b", exact("\u{fc}"), Some("a+b=%c3%BC"), true),
        ("a", exact("%zz"), Some("a=%zz"), true),
        ("a", exact("%4"), Some("a=%4"), true),
        ("a", exact("1=2"), Some("a=1=2"), true),
        (
            "a",
            TextMatch::Regex(RegexPattern::new("x.*|y").unwrap()),
            Some("a=x%26"),
            true,
        ),
        (
            "a",
            TextMatch::Regex(RegexPattern::new("x|y").unwrap()),
            Some("a=xy"),
            false,
        ),
        (
            "a",
            TextMatch::Regex(RegexPattern::new(".*").unwrap()),
            Some("a=%ff"),
            false,
        ),
    ];
    for (name, value, query, expected) in cases {
        let param = QueryMatch {
            name: name.to_owned(),
            value,
        };
        assert_eq!(param.holds(query), expected, "{param:?} {query:?}");
    }
}

#[test]
fn a_more_specific_hostname_goes_first_and_passes_on_what_it_does_not_match() {
    // What the listener leaves of all of them is the same host.
    let own =
        ["*.example", "*.a.example", "x.a.example"].map(|own| HostPattern::parse(own).unwrap());
    let [wide, narrow, exact] = own.each_ref().map(HostSpecificity::from);
    let at = |route, specificity, path| RouteEntry {
        specificity,
        ..entry(route, 0, "x.a.example", path)
    };
    let table = RouteTable::new([
        at("a-wide", wide, prefix("/a/b")),
        at("b-any", HostSpecificity::default(), prefix("/a/b/c")),
        at("c-narrow", narrow, prefix("/a")),
        at("d-exact", exact, prefix("/a/b/c/d")),
    ]);
    for (path, expected) in [("/a/b/c/d", "d-exact/0"), ("/a/b/c", "c-narrow/0")] {
        let found = get(&table, &format!("http://x.a.example{path}"));
        assert_eq!(found.as_deref(), Some(expected), "{path}");
    }
}
