//! Numbers and durations as resources write them, held against what is allowed.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::log::Fault;
use crate::api::duration;
use crate::api::quantity::Quantity;

/// The highest number that a Kubernetes API of 32 bits can say.
pub(super) const MOST: u32 = i32::MAX.unsigned_abs();

/// The windows of HTTP/2 that can be asked for. The smallest is that which every connection begins with (RFC 9113 6.9.2).
pub(super) const HTTP2_WINDOWS: RangeInclusive<u32> = 65_535..=MOST;

/// The shortest time that can be written, but for none.
pub(super) const ONE_MILLISECOND: Duration = Duration::from_millis(1);

/// The fields of one struct of a resource, while they are read. What is wrong with a field is noted, and the field then
/// counts as not set.
pub(super) struct SpecFields<'a> {
    /// The path of the struct.
    at: String,
    faults: &'a mut Vec<Fault>,
}

impl<'a> SpecFields<'a> {
    pub(super) fn new(at: impl Into<String>, faults: &'a mut Vec<Fault>) -> Self {
        let at = at.into();
        Self { at, faults }
    }

    /// The fields of the struct in this field.
    pub(super) fn nested(&mut self, name: &str) -> SpecFields<'_> {
        SpecFields::new(format!("{}.{name}", self.at), self.faults)
    }

    /// The fields of one of the structs in this list.
    pub(super) fn element(&mut self, index: usize) -> SpecFields<'_> {
        SpecFields::new(format!("{}[{index}]", self.at), self.faults)
    }

    /// Notes a fault of the struct itself.
    pub(super) fn fault_of_all(&mut self, message: impl Into<String>) {
        self.faults.push(Fault::new(self.at.clone(), message));
    }

    pub(super) fn fault(&mut self, name: &str, message: impl Into<String>) {
        self.faults
            .push(Fault::new(format!("{}.{name}", self.at), message));
    }

    /// Notes fields that are set and not supported.
    pub(super) fn unsupported(&mut self, names: impl IntoIterator<Item = &'static str>) {
        let at = &self.at;
        let faults = names
            .into_iter()
            .map(|name| Fault::unsupported(format!("{at}.{name}")));
        self.faults.extend(faults);
    }

    /// A number within a range.
    pub(super) fn number<T>(
        &mut self,
        name: &str,
        number: Option<i64>,
        allowed: &RangeInclusive<T>,
    ) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let number = number?;
        let number = T::try_from(number)
            .ok()
            .filter(|number| allowed.contains(number));
        if number.is_none() {
            let message = format!("{} to {} is allowed", allowed.start(), allowed.end());
            self.fault(name, message);
        }
        number
    }

    /// A number of octets within a range.
    pub(super) fn octets(
        &mut self,
        name: &str,
        quantity: Option<&Quantity>,
        allowed: &RangeInclusive<u32>,
    ) -> Option<u32> {
        let Some(number) = quantity?.number() else {
            self.fault(name, "not a number of octets, such as 65536 or 64Ki");
            return None;
        };
        self.number(name, Some(number), allowed)
    }

    /// A time that is not shorter than this.
    pub(super) fn time(
        &mut self,
        name: &str,
        text: Option<&str>,
        least: Duration,
    ) -> Option<Duration> {
        match duration::parse(text?) {
            Ok(time) if time < least => {
                self.fault(name, format!("at least {least:?} is needed"));
                None
            }
            Ok(time) => Some(time),
            Err(error) => {
                self.fault(name, error.to_string());
                None
            }
        }
    }
}
