//! Numbers, quantities and durations of resources, checked against their limits.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use egret_api::duration;
use egret_api::quantity::Quantity;

use super::log::FieldFault;
use super::review::ReferentFault;

/// The highest value of a 32-bit integer in a Kubernetes API.
pub(super) const MAX_NUMBER: u32 = i32::MAX.unsigned_abs();

/// The allowed HTTP/2 window sizes in bytes. The lowest is the initial window of every connection (RFC 9113 6.9.2).
pub(super) const HTTP2_WINDOWS: RangeInclusive<u32> = 65_535..=MAX_NUMBER;

/// The shortest duration above zero that can be written.
pub(super) const ONE_MILLISECOND: Duration = Duration::from_millis(1);

/// The fields of one struct of a resource, while they are read. A value that is not valid is recorded as a fault, and
/// the field then counts as not set.
pub(super) struct SpecFields<'a> {
    /// The path of the struct.
    at: String,
    faults: &'a mut Vec<FieldFault>,
}

impl<'a> SpecFields<'a> {
    pub(super) fn new(at: impl Into<String>, faults: &'a mut Vec<FieldFault>) -> Self {
        let at = at.into();
        Self { at, faults }
    }

    /// The fields of the struct in this field.
    pub(super) fn nested(&mut self, name: &str) -> SpecFields<'_> {
        SpecFields::new(format!("{}.{name}", self.at), self.faults)
    }

    /// The fields of the struct at this index of a list.
    pub(super) fn element(&mut self, index: usize) -> SpecFields<'_> {
        SpecFields::new(format!("{}[{index}]", self.at), self.faults)
    }

    /// Records a fault of the struct itself.
    pub(super) fn struct_fault(&mut self, message: impl Into<String>) {
        self.faults.push(FieldFault::new(self.at.clone(), message));
    }

    pub(super) fn fault(&mut self, name: &str, message: impl Into<String>) {
        self.faults
            .push(FieldFault::new(format!("{}.{name}", self.at), message));
    }

    /// Records a fault of what a field refers to.
    pub(super) fn referent_fault(&mut self, name: &str, fault: ReferentFault) {
        let ReferentFault { message, cause } = fault;
        let fault = FieldFault::new(format!("{}.{name}", self.at), message);
        self.faults.push(fault.with_cause(cause));
    }

    /// Records fields that are set but not supported.
    pub(super) fn unsupported(&mut self, names: impl IntoIterator<Item = &'static str>) {
        let at = &self.at;
        let faults = names
            .into_iter()
            .map(|name| FieldFault::unsupported(format!("{at}.{name}")));
        self.faults.extend(faults);
    }

    /// Reads a number in a range.
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

    /// Reads a number of bytes in a range.
    pub(super) fn bytes(
        &mut self,
        name: &str,
        quantity: Option<&Quantity>,
        allowed: &RangeInclusive<u32>,
    ) -> Option<u32> {
        let Some(number) = quantity?.number() else {
            self.fault(name, "not a number of bytes, such as 65536 or 64Ki");
            return None;
        };
        self.number(name, Some(number), allowed)
    }

    /// Reads a duration that is at least this long.
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
