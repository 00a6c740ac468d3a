//! `tls.files` of BackendConfigPolicies.

use super::{BASE, CompiledConfig, policy, problems, settings};
use crate::compile::tests::https::{ONE, OTHER};
use crate::compile::tests::{TO_DFP, route, warnings};
use crate::compile::{CompileOptions, FileAccess, compile};
use crate::in_force::InForce;
use crate::load::{ConfigFile, load};
use crate::resources::{LocalFile, Resources};
use crate::snapshot::{BackendSettings, PeerTrust};

const ALL: &str = "tls: {files: {rootCA: /c/ca, tlsCertificate: /c/crt, tlsKey: /c/key}}";

/// The policy with these files, each with its content.
fn objects(tls: &str, files: &[(&str, &str)]) -> Resources {
    let rules = route(&format!("  rules: [{{{TO_DFP}}}]\n"));
    let text = format!("{BASE}---\n{}{rules}", policy(tls));
    let name = "t.yaml";
    let loaded = load([ConfigFile { name, text: &text }]);
    assert_eq!(loaded.errors, []);
    let mut resources = loaded.resources;
    for (path, content) in files {
        resources.put_file(path, LocalFile(Ok((*content).into())));
    }
    resources
}

fn compiled(tls: &str, files: &[(&str, &str)]) -> CompiledConfig {
    compile(&objects(tls, files), &CompileOptions::default())
}

fn pair<'a>(certificate: &'a str, key: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("/c/ca", &OTHER.certificate),
        ("/c/crt", certificate),
        ("/c/key", key),
    ]
}

fn authorities(settings: &BackendSettings) -> usize {
    match &settings.tls.as_ref().unwrap().trust {
        PeerTrust::Authorities(all) => all.len(),
        PeerTrust::System | PeerTrust::Anybody => 0,
    }
}

#[test]
fn certificates_are_read_from_files() {
    let files = pair(&ONE.certificate, &ONE.key);
    let read = compiled(ALL, &files);
    assert!(read.report.accepted(), "{}", read.report.table());
    let settings_of = settings(&read);
    assert_eq!(authorities(&settings_of), 1);
    let tls = settings_of.tls.as_ref().unwrap();
    assert_eq!(
        tls.identity.as_ref().unwrap().source.to_string(),
        "File /c/crt"
    );
    // Neither shows what is in them.
    let shown = format!("{:?}", objects(ALL, &files).files);
    assert!(!shown.contains("PRIVATE"), "{shown}");
    // Without a CA the system's decide, and without a pair nothing is shown to upstreams.
    let own = compiled(
        "tls: {files: {tlsCertificate: /c/crt, tlsKey: /c/key}}",
        &files,
    );
    assert_eq!(
        settings(&own).tls.as_ref().unwrap().trust,
        PeerTrust::System
    );
    for tls in [
        "tls: {files: {rootCA: /c/ca}}",
        "tls: {simpleTLS: true, files: {rootCA: /c/ca, tlsCertificate: /c/crt, tlsKey: /c/key}}",
    ] {
        let only = compiled(tls, &files);
        assert!(only.report.accepted(), "{}", only.report.table());
        assert_eq!(settings(&only).tls.as_ref().unwrap().identity, None);
    }
    let paths = objects(ALL, &[]).paths();
    let paths: Vec<&str> = paths.iter().map(|path| &**path).collect();
    assert_eq!(paths, ["/c/ca", "/c/crt", "/c/key"]);
}

#[test]
fn a_file_that_is_wrong_is_named() {
    let key = &ONE.key;
    for (files, field, message) in [
        (
            pair("no PEM", key),
            ".tlsCertificate",
            "/c/crt has no certificate in PEM",
        ),
        (
            pair(&ONE.certificate, "junk"),
            ".tlsKey",
            "/c/key has no private key in PEM",
        ),
        (
            pair(&ONE.certificate, &OTHER.key),
            "",
            "/c/key does not belong to /c/crt",
        ),
    ] {
        let told = problems(&compiled(ALL, &files));
        let expected = format!("BackendConfigPolicy apps/p: spec.tls.files{field}: {message}");
        assert!(told[0].ends_with(&expected), "{expected} {told:?}");
    }
    let mut unread = objects(ALL, &pair(&ONE.certificate, key));
    let why = "No such file or directory".to_owned();
    unread.put_file("/c/ca", LocalFile(Err(why)));
    let told = problems(&compile(&unread, &CompileOptions::default()));
    assert!(
        told[0].ends_with("spec.tls.files.rootCA: /c/ca: No such file or directory"),
        "{told:?}"
    );
}

/// The controller of a cluster cannot see the files of the pods that serve.
#[test]
fn files_of_elsewhere_are_not_judged() {
    let options = CompileOptions {
        files: FileAccess::Elsewhere,
        ..CompileOptions::default()
    };
    let compiled = compile(&objects(ALL, &[]), &options);
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
}

/// Whoever checks what is served elsewhere has not all of the files.
#[test]
fn a_file_that_is_not_here_is_warned_of() {
    let options = CompileOptions {
        files: FileAccess::Partly,
        ..CompileOptions::default()
    };
    let [authorities, certificate, key] = pair(&ONE.certificate, &ONE.key);
    let compiled = compile(&objects(ALL, &[certificate, key]), &options);
    assert!(compiled.report.accepted(), "{}", compiled.report.table());
    let told = warnings(&compiled);
    let expected = "spec.tls.files.rootCA: /c/ca is not here, and has to be where this is served";
    assert!(told.len() == 1 && told[0].ends_with(expected), "{told:?}");
    // Those that are here are judged.
    let wrong = ("/c/ca", "no PEM");
    let compiled = compile(&objects(ALL, &[wrong, certificate, key]), &options);
    assert!(problems(&compiled)[0].ends_with("/c/ca has no certificate in PEM"));
    let all = [authorities, certificate, key];
    assert_eq!(warnings(&compile(&objects(ALL, &all), &options)), [""; 0]);
}

#[test]
fn a_file_that_becomes_wrong_keeps_its_last_good_content() {
    let options = CompileOptions::default();
    let good = pair(&ONE.certificate, &ONE.key);
    let (first, compiled) = InForce::start(objects(ALL, &good), &options);
    let snapshot = compiled.snapshot;
    // A certificate may be replaced before its key is.
    for files in [
        pair(&OTHER.certificate, &ONE.key),
        pair("", &ONE.key),
        pair(&ONE.certificate, ""),
    ] {
        let change = first.change(objects(ALL, &files), &options).unwrap();
        assert_eq!(change.compiled.snapshot, snapshot);
        let told = problems(&change.compiled);
        assert!(told[0].contains("; still served: File /c/"), "{told:?}");
        // What comes to go together is taken.
        let whole = objects(ALL, &pair(&OTHER.certificate, &OTHER.key));
        let change = change.in_force.change(whole, &options).unwrap();
        assert!(change.is_new && change.compiled.report.accepted());
        assert_ne!(change.compiled.snapshot, snapshot);
        let changed = change.changes.iter().map(ToString::to_string);
        assert!(changed.clone().any(|it| it == "File /c/key changed"));
    }
}
