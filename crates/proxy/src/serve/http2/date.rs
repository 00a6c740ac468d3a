//! The `Date` of responses whose origin says none (RFC 9110 6.6.1).

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::HeaderValue;

use crate::clock;

thread_local! {
    /// The value for the second that was asked for last on this worker.
    static LAST: RefCell<(u64, HeaderValue)> = const { RefCell::new((0, HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))) };
}

/// The value of `Date` now.
pub(super) fn now() -> HeaderValue {
    at(clock::wall())
}

fn at(time: SystemTime) -> HeaderValue {
    let second = time
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    LAST.with_borrow_mut(|(last, value)| {
        if *last != second {
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            if let Ok(newer) = HeaderValue::try_from(text) {
                (*last, *value) = (second, newer);
            }
        }
        value.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_has_its_own_date() {
        for (second, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_778, "Sun, 06 Nov 1994 08:49:38 GMT"),
        ] {
            assert_eq!(at(UNIX_EPOCH + Duration::from_secs(second)), date);
        }
    }
}
