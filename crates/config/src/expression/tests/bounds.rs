//! Whoever may write a policy may write any text.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::super::*;
use super::{Sample, evaluate};

#[test]
fn depth_and_length_are_bounded() {
    let compile = |text: &str| Expression::compile(text, AbsentHeaders::AreErrors);
    for (open, close) in [("(", ")"), ("!", ""), ("-", ""), ("[", "]"), ("has(", ")")] {
        let text = format!("{}1{}", open.repeat(3000), close.repeat(3000));
        let fault = compile(&text).unwrap_err().to_string();
        assert!(fault.contains("nested more than 48 levels deep"), "{fault}");
    }
    for part in [" + 1", " == 1", ".a", "[0]", ".size()"] {
        let text = format!("x{}", part.repeat(2000));
        let fault = compile(&text).unwrap_err().to_string();
        assert!(fault.contains("nested more than 48 levels deep"), "{fault}");
    }
    let chosen = format!("{}true", "true ? true : ".repeat(1000));
    assert!(compile(&chosen).is_err());
    // Long chains of `||` are as usual as long lists.
    let mut chain = "false".to_owned();
    for index in 0..700 {
        let _ = write!(chain, " || source.port == {index}");
    }
    let sample = Sample::get("/", &[]);
    assert_eq!(evaluate(&chain, &sample), Ok(false));
    let fault = compile(&" ".repeat(20000)).unwrap_err();
    assert_eq!(fault.message, "longer than 16384 bytes");
}

proptest! {
    #[test]
    fn no_text_is_too_much(text in "[a-z.!&|()\\[\\]'\"\\\\0-9?:=<>, \u{e9}]{0,80}") {
        if let Ok(expression) = Expression::compile(&text, AbsentHeaders::ReadEmpty) {
            for sample in [Sample::get("/", &[]), Sample::connect(), Sample::sni()] {
                let _ = expression.evaluate(&sample.view());
            }
        }
    }

    #[test]
    fn words_in_any_order_are_not_too_much(words in prop::collection::vec(prop::sample::select(vec![
        "request.headers", "['x']", ".exists(", "source.certificate", "x", ",", ")", "(", "!", "==", "in", "1",
        "'a'", "?", ":", "&&", "||", "-", "%", "0", ".matches('a*')", "has(", ".size()", "egress.port",
    ]), 0..30)) {
        let text = words.join(" ");
        if let Ok(expression) = Expression::compile(&text, AbsentHeaders::AreErrors) {
            let _ = expression.evaluate(&Sample::get("/", &[]).view());
        }
    }
}
