//! Looking for fields among few.

use http::{HeaderMap, HeaderName, HeaderValue};

/// So many fields, for each that is looked for, are read through in less time than the map needs to find one by its hash.
const FEW: usize = 8;

/// Finds the first value of each of these fields, for which there is as much room.
pub(crate) fn find<'h>(
    names: &[HeaderName],
    headers: &'h HeaderMap,
    values: &mut [Option<&'h HeaderValue>],
) {
    if headers.len() > FEW * names.len() {
        for (value, name) in values.iter_mut().zip(names) {
            *value = headers.get(name);
        }
        return;
    }
    values.fill(None);
    for (name, found) in headers {
        for (value, wanted) in values.iter_mut().zip(names) {
            if wanted == name {
                value.get_or_insert(found);
            }
        }
    }
}

/// The first value of each of these fields.
pub(crate) fn first<'h, const N: usize>(
    names: &[HeaderName; N],
    headers: &'h HeaderMap,
) -> [Option<&'h HeaderValue>; N] {
    let mut values = [None; N];
    find(names, headers, &mut values);
    values
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, USER_AGENT};

    use super::*;

    const TRACE: HeaderName = HeaderName::from_static("traceparent");

    #[test]
    fn the_first_value_is_found_among_few_and_among_many() {
        let mut headers = HeaderMap::new();
        for (name, value) in [(ACCEPT, "a"), (TRACE, "t"), (ACCEPT, "b"), (TRACE, "u")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let text = |value: Option<&HeaderValue>| value.map(|it| it.to_str().unwrap().to_owned());
        for count in 0..40_u64 {
            let found = first(&[TRACE, USER_AGENT, ACCEPT], &headers).map(text);
            assert_eq!(found, [Some("t".to_owned()), None, Some("a".to_owned())]);
            assert_eq!(first(&[ACCEPT], &headers).map(text), [Some("a".to_owned())]);
            assert_eq!(first(&[], &headers), []);
            let name: HeaderName = format!("x-{count}").parse().unwrap();
            headers.insert(name, count.into());
        }
    }
}
