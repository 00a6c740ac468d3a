//! The last `Host` of a client's connection. Most clients say the same in every request.

use std::cell::RefCell;

use egret_config::name::{Authority, NameError};

/// The last `Host` of a client's connection, and what it says.
#[derive(Default)]
pub(crate) struct HostMemo(RefCell<Option<(Box<[u8]>, Authority)>>);

impl HostMemo {
    /// What a `Host` says, which is only parsed if it is not the last one again.
    ///
    /// # Errors
    /// Those of [`Authority::parse`].
    pub(super) fn parse(&self, field: &[u8]) -> Result<Authority, NameError> {
        if let Some((last, authority)) = &*self.0.borrow()
            && **last == *field
        {
            return Ok(authority.clone());
        }
        let authority = Authority::parse(field)?;
        self.0.replace(Some((field.into(), authority.clone())));
        Ok(authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_the_parser_says() {
        let memo = HostMemo::default();
        for field in [
            "a.example",
            "A.example",
            "A.example",
            "a.example:81",
            "a b",
            "a.example:81",
            "[::1]",
            "",
        ] {
            let parsed = memo.parse(field.as_bytes());
            assert_eq!(parsed, Authority::parse(field.as_bytes()), "{field}");
        }
    }
}
