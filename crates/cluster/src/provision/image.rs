//! The name of the image.

use egret_config::api::kgateway::ImageParameters;

/// The image of the pods: the parts of the default one, with those that are set in their place.
pub(super) fn name(default: &str, parameters: Option<&ImageParameters>) -> String {
    let Some(parameters) = parameters else {
        return default.to_owned();
    };
    let (name, version) = split(default);
    let (registry, repository) = match name.rsplit_once('/') {
        Some((registry, repository)) => (registry, repository),
        None => ("", name),
    };
    let set = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let registry = set(&parameters.registry).unwrap_or_else(|| registry.to_owned());
    let repository = set(&parameters.repository).unwrap_or_else(|| repository.to_owned());
    let version = match (set(&parameters.tag), set(&parameters.digest)) {
        (_, Some(digest)) => format!("@{digest}"),
        (Some(tag), None) => format!(":{tag}"),
        (None, None) => version.to_owned(),
    };
    if registry.is_empty() {
        format!("{repository}{version}")
    } else {
        format!("{registry}/{repository}{version}")
    }
}

/// The name without tag and digest, and these with the sign before them.
fn split(image: &str) -> (&str, &str) {
    let digest = image.find('@');
    // A colon before the last slash is that of a port.
    let last = image.rfind('/').map_or(0, |slash| slash + 1);
    let tag = image[last..].find(':').map(|colon| last + colon);
    let at = [digest, tag].into_iter().flatten().min();
    image.split_at(at.unwrap_or(image.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_takes_the_place_of_its_part() {
        let default = "ghcr.io/egret-proxy/egret:0.1.0";
        let of = |registry: &str, repository: &str, tag: &str, digest: &str| ImageParameters {
            registry: Some(registry.to_owned()),
            repository: Some(repository.to_owned()),
            tag: Some(tag.to_owned()),
            digest: Some(digest.to_owned()),
            pull_policy: None,
        };
        assert_eq!(name(default, None), default);
        for (parameters, expected) in [
            (of("", "", "", ""), default),
            (of("", "", "v2", ""), "ghcr.io/egret-proxy/egret:v2"),
            (
                of("", "", "", "sha256:0"),
                "ghcr.io/egret-proxy/egret@sha256:0",
            ),
            (
                of("r.example:5000/team", "", "", ""),
                "r.example:5000/team/egret:0.1.0",
            ),
            (of("", "mine", "", ""), "ghcr.io/egret-proxy/mine:0.1.0"),
        ] {
            assert_eq!(name(default, Some(&parameters)), expected);
        }
        for (image, expected) in [
            ("egret", "egret:v2"),
            ("egret:v1", "egret:v2"),
            ("localhost:5000/egret", "localhost:5000/egret:v2"),
            (
                "localhost:5000/egret:v1@sha256:0",
                "localhost:5000/egret:v2",
            ),
        ] {
            assert_eq!(name(image, Some(&of("", "", "v2", ""))), expected);
        }
    }
}
