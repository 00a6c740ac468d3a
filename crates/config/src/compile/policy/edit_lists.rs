//! The lists of changes to headers.

use http::{HeaderName, HeaderValue};

use crate::compile::header::{HeaderPairs, header_name};
use crate::compile::value::SpecFields;
use crate::policy::headers::HeaderEdit;

/// The lists of a change to headers, as policies write them.
pub(super) struct EditLists<'s, S> {
    pub(super) set: &'s Option<Vec<S>>,
    pub(super) add: &'s Option<Vec<S>>,
    pub(super) remove: &'s Option<Vec<String>>,
}

impl<S> EditLists<'_, S> {
    /// Reads the lists. `pair` reads one entry, and says what is wrong with it.
    pub(super) fn read(
        &self,
        fields: &mut SpecFields<'_>,
        mut pair: impl FnMut(&S, &mut SpecFields<'_>) -> Option<(HeaderName, HeaderValue)>,
    ) -> HeaderEdit {
        let mut pairs = |list: &str, specs: &Option<Vec<S>>| {
            let mut pairs = HeaderPairs::default();
            for (index, spec) in specs.iter().flatten().enumerate() {
                let mut fields = fields.nested(&format!("{list}[{index}]"));
                if let Some((name, value)) = pair(spec, &mut fields) {
                    pairs.push(name, value);
                }
            }
            pairs.into_list()
        };
        let (set, add) = (pairs("set", self.set), pairs("add", self.add));
        let mut names = Vec::new();
        for (index, name) in self.remove.iter().flatten().enumerate() {
            match header_name(name) {
                Ok(name) => names.push(name),
                Err(error) => fields.fault(&format!("remove[{index}]"), error.message()),
            }
        }
        HeaderEdit {
            set,
            add,
            remove: names,
        }
    }
}
