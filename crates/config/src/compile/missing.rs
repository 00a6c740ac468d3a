//! Says that an object does not exist, and which was probably meant.

use egret_api::suggest::{edits, nearest};

use crate::resources::{Kind, ObjectRef, Resources};

/// `Backend apps/dpf not found; did you mean Backend apps/dfp?`
pub(super) fn message(resources: &Resources, object: &ObjectRef) -> String {
    match meant(resources, object) {
        Some(meant) => format!("{object} not found; did you mean {meant}?"),
        None => format!("{object} not found"),
    }
}

/// The text without `; did you mean ...?`, for clients, who are not told what else there is.
pub(super) fn without_suggestion(text: &str) -> String {
    let mut parts = text.split("; did you mean ");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // What follows the question mark is about something else.
        plain.push_str(part.split_once('?').map_or("", |(_, rest)| rest));
    }
    plain
}

/// The object that was probably meant: one with nearly this name in the namespace, or one with this name in another
/// namespace, of which one that is written nearly alike comes first. Whether there is a Secret or a ConfigMap in another
/// namespace is not for everybody to know.
fn meant<'a>(resources: &'a Resources, object: &ObjectRef) -> Option<&'a ObjectRef> {
    let of_kind = || resources.objects_of(object.kind);
    let here = || of_kind().filter(|known| known.namespace == object.namespace);
    let near = nearest(&object.name, here().map(|known| &*known.name));
    if let Some(name) = near {
        return here().find(|known| *known.name == *name);
    }
    let is_public = !matches!(object.kind, Kind::Secret | Kind::ConfigMap);
    let elsewhere = of_kind().filter(|known| is_public && known.name == object.name);
    elsewhere.min_by_key(|known| {
        let distance = edits(&known.namespace, &object.namespace);
        (distance.is_none(), distance)
    })
}

#[cfg(test)]
mod tests {
    use super::{message, without_suggestion};
    use crate::load::{ConfigFile, load};
    use crate::resources::{Kind, ObjectRef};

    #[test]
    fn the_object_that_was_meant_is_named() {
        let backend = |namespace: &str, name: &str| {
            format!(
                "---\napiVersion: gateway.kgateway.dev/v1alpha1\nkind: Backend\n\
                 metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{dynamicForwardProxy: {{}}}}\n"
            )
        };
        let text = [
            backend("apps", "dfp"),
            backend("apps", "partner"),
            backend("other", "only-there"),
            backend("zebra", "both"),
            backend("infra", "both"),
        ];
        let resources = load([ConfigFile {
            name: "t.yaml",
            text: &text.concat(),
        }])
        .resources;
        for (namespace, name, expected) in [
            ("apps", "dpf", "; did you mean Backend apps/dfp?"),
            ("apps", "partners", "; did you mean Backend apps/partner?"),
            (
                "apps",
                "only-there",
                "; did you mean Backend other/only-there?",
            ),
            ("infar", "both", "; did you mean Backend infra/both?"),
            ("zebras", "both", "; did you mean Backend zebra/both?"),
            ("apps", "nothing", ""),
        ] {
            let object = ObjectRef::new(Kind::Backend, namespace, name);
            let expected = format!("{object} not found{expected}");
            assert_eq!(message(&resources, &object), expected);
        }
        for (text, expected) in [
            ("a not found", "a not found"),
            ("a not found; did you mean b?", "a not found"),
            ("a; did you mean b?; c; did you mean d?", "a; c"),
        ] {
            assert_eq!(without_suggestion(text), expected);
        }
        let secret = ObjectRef::new(Kind::Secret, "apps", "dfp");
        assert_eq!(message(&resources, &secret), "Secret apps/dfp not found");
    }
}
