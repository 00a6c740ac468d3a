//! What a service changes in the fields of a message.

use egret_config::policy::headers::is_protected;
use egret_config::policy::transformation::PseudoField;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::fault::ProcessorFault;
use crate::policy::envoy::HeaderField;
use crate::policy::envoy::auth::{AppendAction, HeaderOption};
use crate::policy::envoy::ext_proc::HeaderMutation;

/// The most fields that one answer sets, and that it removes, as in Envoy.
const MAX_FIELDS: usize = 100;
/// The most bytes of their names and values.
const MAX_BYTES: usize = 60 * 1024;

/// Changes to the fields of a message. What decides where a message goes or ends is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldMutation {
    remove: Vec<HeaderName>,
    set: Vec<FieldSetting>,
    /// Pseudo headers, which are no fields in HTTP/1.1.
    pub(crate) pseudo: Vec<(PseudoField, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldSetting {
    name: HeaderName,
    value: HeaderValue,
    action: AppendAction,
}

impl FieldMutation {
    /// Reads the changes. Those that no service may make are left out, as in Envoy. `replaces_message` says that it may
    /// change the method.
    ///
    /// # Errors
    /// If a name or a value is none, or there are too many.
    pub(super) fn read(
        mutation: &HeaderMutation,
        replaces_message: bool,
    ) -> Result<Self, ProcessorFault> {
        let HeaderMutation {
            set_headers,
            remove_headers,
        } = mutation;
        if set_headers.len() > MAX_FIELDS || remove_headers.len() > MAX_FIELDS {
            return Err(ProcessorFault::Fields("it changes too many headers"));
        }
        let mut read = Self::default();
        for name in remove_headers.iter().filter(|name| !name.starts_with(':')) {
            let name = field_name(name)?;
            read.remove.extend(Some(name).filter(may_change));
        }
        let mut bytes = 0;
        for option in set_headers {
            let Some(field) = &option.header else {
                continue;
            };
            let value = value_of(field)?;
            bytes += field.key.len() + value.len();
            if bytes > MAX_BYTES {
                return Err(ProcessorFault::Fields("its headers are too long"));
            }
            if field.key.starts_with(':') {
                let pseudo = pseudo_field(&field.key, replaces_message);
                let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                read.pseudo.extend(pseudo.map(|pseudo| (pseudo, text)));
                continue;
            }
            let name = field_name(&field.key)?;
            if may_change(&name) {
                let action = action_of(option);
                read.set.push(FieldSetting {
                    name,
                    value,
                    action,
                });
            }
        }
        Ok(read)
    }

    /// Makes the changes: first fields are removed, then they are set.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for FieldSetting {
            name,
            value,
            action,
        } in &self.set
        {
            let is_there = headers.contains_key(name);
            match action {
                AppendAction::AppendIfExistsOrAdd => {
                    headers.append(name, value.clone());
                }
                AppendAction::AddIfAbsent if is_there => {}
                AppendAction::OverwriteIfExists if !is_there => {}
                AppendAction::AddIfAbsent
                | AppendAction::OverwriteIfExists
                | AppendAction::OverwriteIfExistsOrAdd => {
                    headers.insert(name, value.clone());
                }
            }
        }
    }

    /// The names of the fields that are changed.
    pub(crate) fn names(&self) -> impl Iterator<Item = &HeaderName> {
        let set = self.set.iter().map(|setting| &setting.name);
        set.chain(&self.remove)
    }
}

fn field_name(name: &str) -> Result<HeaderName, ProcessorFault> {
    let name = HeaderName::from_bytes(name.as_bytes());
    name.map_err(|_| ProcessorFault::Fields("the name of a header is none"))
}

fn value_of(field: &HeaderField) -> Result<HeaderValue, ProcessorFault> {
    let value = match (field.value.as_str(), field.raw_value.as_slice()) {
        (text, []) => text.as_bytes(),
        ("", raw) => raw,
        _ => return Err(ProcessorFault::Fields("a header has two values")),
    };
    let value = HeaderValue::from_bytes(value);
    value.map_err(|_| ProcessorFault::Fields("the value of a header is none"))
}

/// The pseudo header that a service may set; `None` if there is none of this name.
fn pseudo_field(name: &str, replaces_message: bool) -> Option<PseudoField> {
    match name {
        ":path" => Some(PseudoField::Path),
        ":status" => Some(PseudoField::Status),
        ":method" if replaces_message => Some(PseudoField::Method),
        _ => None,
    }
}

/// Whether a service may change a field: by Envoy's default rules not those that are Envoy's own, and not those that say
/// where a message goes or ends.
fn may_change(name: &HeaderName) -> bool {
    !is_protected(name)
        && *name != HOST
        && *name != PROXY_AUTHORIZATION
        && !name.as_str().starts_with("x-envoy-")
}

/// What is done with fields of the same name. Where nothing is said, they are replaced.
fn action_of(option: &HeaderOption) -> AppendAction {
    match (option.append, option.append_action()) {
        (Some(append), _) if append.value => AppendAction::AppendIfExistsOrAdd,
        (Some(_), _) | (None, AppendAction::AppendIfExistsOrAdd) => {
            AppendAction::OverwriteIfExistsOrAdd
        }
        (None, action) => action,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::envoy::auth::BoolValue;

    fn option(key: &str, value: &str) -> HeaderOption {
        HeaderOption {
            header: Some(HeaderField {
                key: key.to_owned(),
                value: value.to_owned(),
                raw_value: Vec::new(),
            }),
            ..HeaderOption::default()
        }
    }

    fn read(set: Vec<HeaderOption>, remove: &[&str]) -> Result<FieldMutation, ProcessorFault> {
        let mutation = HeaderMutation {
            set_headers: set,
            remove_headers: remove.iter().map(|&name| name.to_owned()).collect(),
        };
        FieldMutation::read(&mutation, false)
    }

    fn applied(mutation: &FieldMutation) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-a", "1"), ("x-a", "2"), ("x-gone", "1"), ("host", "h")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        mutation.apply(&mut headers);
        let fields = headers.iter();
        let mut fields: Vec<_> = fields
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect();
        fields.sort();
        fields.join(" ")
    }

    #[test]
    fn fields_are_set_as_the_service_says() {
        let append = |value| Some(BoolValue { value });
        let action = |action: AppendAction| action as i32;
        for (append, append_action, expected) in [
            (None, 0, "host=h x-a=3 x-gone=1 x-new=3"),
            (append(true), 0, "host=h x-a=1 x-a=2 x-a=3 x-gone=1 x-new=3"),
            (append(false), 0, "host=h x-a=3 x-gone=1 x-new=3"),
            (
                None,
                action(AppendAction::AddIfAbsent),
                "host=h x-a=1 x-a=2 x-gone=1 x-new=3",
            ),
            (
                None,
                action(AppendAction::OverwriteIfExistsOrAdd),
                "host=h x-a=3 x-gone=1 x-new=3",
            ),
            (
                None,
                action(AppendAction::OverwriteIfExists),
                "host=h x-a=3 x-gone=1",
            ),
        ] {
            let set = ["X-A", "x-new"].map(|key| HeaderOption {
                append,
                append_action,
                ..option(key, "3")
            });
            let mutation = read(set.to_vec(), &[]).unwrap();
            assert_eq!(applied(&mutation), expected, "{append:?} {append_action}");
        }
        let both = read(vec![option("x-gone", "new")], &["x-gone", "X-A"]).unwrap();
        assert_eq!(applied(&both), "host=h x-gone=new");
    }

    #[test]
    fn what_decides_where_a_message_goes_or_ends_is_left_alone() {
        let names = [
            "host",
            ":authority",
            ":scheme",
            ":method",
            "content-length",
            "transfer-encoding",
            "connection",
            "proxy-authorization",
            "x-envoy-retry-on",
        ];
        let set = names.map(|name| option(name, "1")).to_vec();
        let mutation = read(set, &names).unwrap();
        assert_eq!(mutation, FieldMutation::default());
        let target = read(vec![option(":path", "/b"), option(":status", "404")], &[]).unwrap();
        let pseudo = [
            (PseudoField::Path, "/b".to_owned()),
            (PseudoField::Status, "404".to_owned()),
        ];
        assert_eq!(target.pseudo, pseudo);
        let method = HeaderMutation {
            set_headers: vec![option(":method", "POST")],
            remove_headers: Vec::new(),
        };
        let method = FieldMutation::read(&method, true).unwrap();
        assert_eq!(method.pseudo, [(PseudoField::Method, "POST".to_owned())]);
    }

    #[test]
    fn what_is_no_header_is_a_fault() {
        let mut both = option("x-a", "1");
        both.header.as_mut().unwrap().raw_value = b"2".to_vec();
        let many: Vec<String> = (0..=MAX_FIELDS).map(|n| format!("x-{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (set, remove) in [
            (vec![option("x a", "1")], &[][..]),
            (vec![option("x-a", "1\r\nx: y")], &[]),
            (vec![both], &[]),
            (vec![], &["x a"]),
            (vec![], &many),
            (many.iter().map(|name| option(name, "1")).collect(), &[]),
            (vec![option("x-a", &"x".repeat(MAX_BYTES))], &[]),
        ] {
            assert!(
                matches!(read(set, remove), Err(ProcessorFault::Fields(_))),
                "{remove:?}"
            );
        }
        let nothing = HeaderOption::default();
        assert_eq!(read(vec![nothing], &[]), Ok(FieldMutation::default()));
    }
}
