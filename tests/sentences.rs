//! Tests that what a newcomer reads first has short sentences.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::path::Path;

/// The most words that a sentence may have.
const MOST_WORDS: usize = 30;

/// The sentences of a page, outside of blocks of code. A heading, an item of a list and a cell of a table end one.
fn sentences(page: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    let mut in_code = false;
    for line in page.lines().map(str::trim) {
        if line.starts_with("```") {
            in_code = !in_code;
            paragraphs.push(String::new());
        } else if in_code {
        } else if line.is_empty() || line.starts_with('#') {
            paragraphs.push(String::new());
        } else if line.starts_with('|') {
            paragraphs.extend(line.split('|').map(str::to_owned));
            paragraphs.push(String::new());
        } else if let Some(item) = item(line) {
            paragraphs.push(item.to_owned());
        } else {
            let paragraph = paragraphs.last_mut().unwrap();
            paragraph.push(' ');
            paragraph.push_str(line);
        }
    }
    let of_each = paragraphs.iter().map(|paragraph| split(paragraph));
    of_each.flatten().collect()
}

/// The text of an item of a list.
fn item(line: &str) -> Option<&str> {
    let (mark, text) = line.split_once(' ')?;
    let number = mark.strip_suffix('.').unwrap_or_default();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (mark == "-" || is_number).then_some(text)
}

/// The sentences of a paragraph, in which code counts as one word.
fn split(paragraph: &str) -> Vec<String> {
    let pieces = paragraph.split('`').enumerate();
    let text: String = pieces
        .map(|(index, piece)| if index % 2 == 1 { "CODE" } else { piece })
        .collect();
    let mut sentences = vec![String::new()];
    for word in text.split_whitespace() {
        let sentence = sentences.last_mut().unwrap();
        sentence.push_str(word);
        sentence.push(' ');
        let end = word.trim_end_matches([')', ']', '*', '"']);
        if end.ends_with(['.', '?', '!', ':']) {
            sentences.push(String::new());
        }
    }
    sentences
}

fn words(sentence: &str) -> usize {
    sentence.split_whitespace().count()
}

#[test]
fn no_sentence_that_a_newcomer_reads_is_long() {
    let mut long = Vec::new();
    for page in ["README.md", "docs/tour.md"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        let sentences = sentences(&fs::read_to_string(path).unwrap());
        let read: usize = sentences.iter().map(|sentence| words(sentence)).sum();
        assert!(read > 200, "{page} is read: {read} words");
        let of_page = sentences.into_iter();
        let of_page = of_page.filter(|sentence| words(sentence) > MOST_WORDS);
        long.extend(
            of_page.map(|sentence| format!("{page}: {} words: {sentence}", words(&sentence))),
        );
    }
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn sentences_end_where_a_reader_ends_them() {
    let page = "# A heading\n\nOne two\nthree. Four (`five. six`).\n- Seven\n  eight: nine\n\n```\nno. code\n```\n\n| ten | eleven |\n1. Twelve\n";
    let all = sentences(page);
    let all: Vec<_> = all.iter().map(|one| one.trim()).collect();
    let all: Vec<_> = all.into_iter().filter(|one| !one.is_empty()).collect();
    assert_eq!(
        all,
        [
            "One two three.",
            "Four (CODE).",
            "Seven eight:",
            "nine",
            "ten",
            "eleven",
            "Twelve"
        ]
    );
}
