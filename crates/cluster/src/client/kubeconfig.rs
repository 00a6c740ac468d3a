//! Reads kubeconfig files.
//!
//! The text is read as JSON values first, as all other YAML is: kube's own reader brings another parser for each of its
//! types, which is more code than the whole of this crate.

use std::path::{MAIN_SEPARATOR, Path};
use std::{fs, io};

use kube::config::{Kubeconfig, KubeconfigError};
use serde::de::Error as _;
use serde_json::Value;

/// Why a file is no kubeconfig.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigFault {
    /// The file cannot be read.
    #[error("{0}")]
    Read(#[from] io::Error),
    /// The text is not YAML.
    #[error("not valid YAML: {0}")]
    Yaml(Box<serde_saphyr::Error>),
    /// A field is not what it must be.
    #[error("not a kubeconfig: {0}")]
    Field(#[from] serde_json::Error),
    /// What the file says cannot be used.
    #[error("{0}")]
    Meaning(#[from] KubeconfigError),
}

/// Reads a file. Its documents are merged; paths in it are relative to its folder.
pub(super) fn read(path: &Path) -> Result<Kubeconfig, KubeconfigFault> {
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let documents = serde_saphyr::from_multiple::<Value>(&fs::read_to_string(path)?)
        .map_err(|error| KubeconfigFault::Yaml(Box::new(error)))?;
    let mut merged: Option<Kubeconfig> = None;
    for document in documents {
        if !document.is_object() {
            return Err(serde_json::Error::custom("fields are needed, as `name: value`").into());
        }
        let mut document: Kubeconfig = serde_json::from_value(document)?;
        make_absolute(&mut document, folder);
        merged = Some(match merged {
            Some(merged) => merged.merge(document)?,
            None => document,
        });
    }
    Ok(merged.unwrap_or_default())
}

/// Makes paths absolute, as kubectl does.
fn make_absolute(config: &mut Kubeconfig, folder: &Path) {
    let clusters = config.clusters.iter_mut();
    for cluster in clusters.filter_map(|named| named.cluster.as_mut()) {
        absolute(&mut cluster.certificate_authority, folder);
    }
    let users = config.auth_infos.iter_mut();
    for user in users.filter_map(|named| named.auth_info.as_mut()) {
        absolute(&mut user.client_certificate, folder);
        absolute(&mut user.client_key, folder);
        absolute(&mut user.token_file, folder);
        // A command without a separator is one of PATH.
        if let Some(exec) = &mut user.exec
            && let Some(command) = &exec.command
            && command.contains(MAIN_SEPARATOR)
        {
            absolute(&mut exec.command, folder);
        }
    }
}

fn absolute(path: &mut Option<String>, folder: &Path) {
    let joined = path.as_deref().map(|path| folder.join(path));
    if let Some(joined) = joined.and_then(|joined| joined.to_str().map(str::to_owned)) {
        *path = Some(joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
apiVersion: v1
kind: Config
current-context: here
clusters:
- {name: here, cluster: {server: https://api.test:6443, certificate-authority: ca.crt}}
users:
- name: me
  user:
    client-certificate: certs/me.crt
    client-key: /etc/me.key
    exec: {apiVersion: client.authentication.k8s.io/v1, command: bin/token, interactiveMode: Never}
contexts:
- {name: here, context: {cluster: here, user: me, namespace: apps}}
";

    fn read_text(text: &str) -> Result<Kubeconfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        fs::write(&file, text).unwrap();
        let read = read(&file).map_err(|error| error.to_string())?;
        let user = read
            .auth_infos
            .first()
            .and_then(|user| user.auth_info.as_ref());
        if let Some(user) = user {
            let beside = |path: &str| folder.path().join(path).to_str().map(str::to_owned);
            assert_eq!(user.client_certificate, beside("certs/me.crt"));
            assert_eq!(user.client_key.as_deref(), Some("/etc/me.key"));
            assert_eq!(user.exec.as_ref().unwrap().command, beside("bin/token"));
        }
        Ok(read)
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let read = read_text(FILE).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("here"));
        let cluster = read.clusters[0].cluster.as_ref().unwrap();
        assert!(
            cluster
                .certificate_authority
                .as_deref()
                .is_some_and(|path| path.starts_with('/') && path.ends_with("/ca.crt"))
        );
        let context = read.contexts[0].context.as_ref().unwrap();
        assert_eq!(context.namespace.as_deref(), Some("apps"));
    }

    #[test]
    fn documents_are_merged_and_the_first_word_counts() {
        let second =
            "current-context: there\ncontexts: [{name: there, context: {cluster: here, user: me}}]";
        let read = read_text(&format!("{FILE}---\n{second}\n")).unwrap();
        assert_eq!(read.current_context.as_deref(), Some("here"));
        let names: Vec<_> = read.contexts.iter().map(|context| &context.name).collect();
        assert_eq!(names, ["here", "there"]);
    }

    #[test]
    fn what_is_no_kubeconfig_is_told() {
        for (text, expected) in [
            ("a: [", "not valid YAML: "),
            ("clusters: 5", "not a kubeconfig: "),
            ("just a text", "not a kubeconfig: fields are needed"),
            (
                "kind: Config\n---\nkind: Other",
                "kubeconfigs with mismatching kind",
            ),
        ] {
            let error = read_text(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        let missing = read(Path::new("/no/such/kubeconfig")).unwrap_err();
        assert!(missing.to_string().contains("No such file"), "{missing}");
    }
}
