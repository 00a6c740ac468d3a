//! Fields of a list that a head has, found in one pass over its names.

use http::HeaderMap;
use http::header::HeaderName;

/// Those of a list of fields that a head has. One pass over the names of a head costs less than a lookup of each field,
/// because most heads have few of them or none.
#[derive(Clone, Copy)]
pub(super) struct ListedFields<const N: usize> {
    list: &'static [HeaderName; N],
    /// One bit for each field of the list, in its order.
    present: u32,
}

impl<const N: usize> ListedFields<N> {
    pub(super) fn of(headers: &HeaderMap, list: &'static [HeaderName; N]) -> Self {
        const { assert!(N <= 32, "one bit for each field") };
        let mut present = 0;
        for name in headers.keys() {
            for (index, listed) in list.iter().enumerate() {
                present |= u32::from(name == listed) << index;
            }
        }
        Self { list, present }
    }

    pub(super) fn contains(self, field: &HeaderName) -> bool {
        self.names().any(|name| name == field)
    }

    fn names(self) -> impl Iterator<Item = &'static HeaderName> {
        let is_present = move |index: &usize| self.present >> index & 1 != 0;
        // No index is looked at beyond the last field that is there.
        let end = (u32::BITS - self.present.leading_zeros()) as usize;
        (0..end)
            .filter(is_present)
            .map(move |index| &self.list[index])
    }

    /// Removes the fields from the head in which they were found.
    pub(super) fn remove_from(self, headers: &mut HeaderMap) {
        for name in self.names() {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::{CONNECTION, HOST, TE, VIA};

    use super::super::test_fields::{headers, names};
    use super::*;

    static LIST: [HeaderName; 3] = [CONNECTION, HeaderName::from_static("x-listed"), TE];

    #[test]
    fn what_is_listed_is_found_and_removed_with_all_its_values() {
        let mut head = headers(&[
            ("host", "a.example"),
            ("te", "trailers"),
            ("x-listed", "1"),
            ("te", "gzip"),
            ("via", "1.1 a"),
        ]);
        let found = ListedFields::of(&head, &LIST);
        assert!(found.contains(&TE) && found.contains(&LIST[1]));
        assert!(
            ![CONNECTION, HOST, VIA]
                .iter()
                .any(|field| found.contains(field))
        );
        found.remove_from(&mut head);
        assert_eq!(names(&head), ["host", "via"]);
    }
}
