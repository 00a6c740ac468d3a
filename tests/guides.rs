//! Tests that the guides, the tour and the reference have configurations that are accepted, and that links of the documents
//! lead somewhere.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use egret_config::compile::{CompileOptions, compile};
use egret_config::load::{ConfigFile, load};
use egret_testkit::Ca;

/// The folder that a page begins with.
const FOLDER: [&str; 2] = [
    include_str!("../examples/loopback/gateway.yaml"),
    include_str!("../examples/loopback/route.yaml"),
];

/// A file of the repository.
fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// The Markdown files of a folder and of its sub-folders.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(pages(&path));
        } else if is_markdown(&path) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The pages of a folder of the documents, without their list.
fn listed(folder: &str) -> Vec<PathBuf> {
    let mut listed = pages(&root(folder));
    listed.retain(|page| !page.ends_with("README.md"));
    assert!(listed.len() > 15, "{listed:?}");
    listed
}

fn guides() -> Vec<PathBuf> {
    listed("docs/guides")
}

fn reference() -> Vec<PathBuf> {
    listed("docs/reference")
}

/// The blocks of a page that are whole configurations; those that are marked as a part are left out.
fn configurations(page: &Path) -> Vec<String> {
    let text = read(page);
    let blocks = text.split("\n```yaml\n").skip(1);
    blocks
        .map(|rest| rest.split("\n```").next().unwrap().to_owned() + "\n")
        .collect()
}

/// A certificate of the gateway and CAs of its clients, for the pages that say how they are made.
fn certificates() -> String {
    let ca = Ca::new();
    let identity = ca.issue(["localhost"]);
    format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: proxy-certificate, namespace: egress}}
stringData: {{tls.crt: {:?}, tls.key: {:?}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: clients, namespace: egress}}
data: {{ca.crt: {:?}}}
",
        identity.certificate_pem(),
        identity.key_pem(),
        ca.pem()
    )
}

/// The lines that say which object a document is.
fn identity(document: &str) -> String {
    let lines: Vec<_> = document.lines().collect();
    let kind = lines.iter().position(|line| line.starts_with("kind: "));
    lines[kind.unwrap()..][..2].join("\n")
}

/// Asserts that documents are accepted, in the folder that the guides begin with, without the files that they replace.
fn assert_accepted(page: &Path, documents: &str, certificates: &str) {
    let is_replaced = |file: &&str| {
        let mut objects = file.split("\n---\n").map(identity);
        objects.any(|object| documents.contains(&object))
    };
    let kept: Vec<_> = FOLDER
        .into_iter()
        .filter(|file| !is_replaced(file))
        .collect();
    let kept = kept.join("\n---\n");
    let files = [
        ("page.yaml", documents),
        ("certificates.yaml", certificates),
        ("folder.yaml", &*kept),
    ];
    let loaded = load(files.map(|(name, text)| ConfigFile { name, text }));
    let page = page.display();
    assert!(loaded.errors.is_empty(), "{page}: {:#?}", loaded.errors);
    let report = compile(&loaded.resources, &CompileOptions::default()).report;
    assert!(report.accepted(), "{page}: {}", report.table());
}

#[test]
fn the_configuration_of_every_guide_is_accepted() {
    let certificates = certificates();
    for page in guides() {
        let documents = configurations(&page).join("---\n");
        assert_accepted(&page, &documents, &certificates);
    }
}

#[test]
fn every_example_of_the_reference_is_accepted_by_itself() {
    let certificates = certificates();
    let mut with_example = 0;
    for page in reference() {
        let examples = configurations(&page);
        with_example += usize::from(!examples.is_empty());
        for example in examples {
            assert_accepted(&page, &example, &certificates);
        }
    }
    assert!(with_example > 18, "{with_example}");
}

#[test]
fn every_step_of_the_tour_is_accepted() {
    let (page, certificates) = (root("docs/tour.md"), certificates());
    let steps = configurations(&page);
    assert!(steps.len() > 2, "{steps:?}");
    for step in steps {
        assert_accepted(&page, &step, &certificates);
    }
}

#[test]
fn every_guide_and_every_page_of_the_reference_is_listed() {
    for page in guides().into_iter().chain(reference()) {
        let list = read(&page.with_file_name("README.md"));
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(list.contains(&format!("]({name})")), "{name} is not listed");
    }
}

/// Nobody should have to search for what they came for.
#[test]
fn the_page_of_egress_policy_is_one_link_away_from_the_readme() {
    assert!(read(&root("README.md")).contains("](docs/reference/egresspolicy.md)"));
}

/// The text of a page outside of blocks of code.
fn prose(text: &str) -> String {
    let mut in_code = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// The anchors that the headings of a page make, by the rules of GitHub.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let headings = prose(text);
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
            let anchor: String = title.chars().filter(kept).collect();
            let anchor = anchor.replace(' ', "-");
            let count = seen.entry(anchor.clone()).or_default();
            *count += 1;
            match *count {
                1 => anchor,
                number => format!("{anchor}-{}", number - 1),
            }
        })
        .collect()
}

/// What a link of a page does not lead to, if it is a relative one.
fn fault(page: &Path, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => page.to_owned(),
        file => page.parent().unwrap().join(file),
    };
    if !target.exists() {
        return Some(format!("{}: no file {link}", page.display()));
    }
    let found = anchor.is_empty() || anchors(&read(&target)).iter().any(|known| known == anchor);
    (!found).then(|| format!("{}: no heading {link}", page.display()))
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut pages = pages(&root("docs"));
    let top = fs::read_dir(root("")).unwrap();
    let top = top.map(|entry| entry.unwrap().path());
    pages.extend(top.filter(|path| is_markdown(path)));
    let mut faults = Vec::new();
    for page in pages {
        let text = prose(&read(&page));
        let links = text.split("](").skip(1);
        let links = links.filter_map(|rest| rest.split(')').next());
        faults.extend(links.filter_map(|link| fault(&page, link)));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
