//! How the trace of a request is told from one process to the next.

use std::str::FromStr;

/// The fields by which a trace is told: those of W3C Trace Context, and those of B3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracePropagation {
    /// `traceparent`
    pub(crate) w3c: bool,
    /// `b3`
    pub(crate) b3: bool,
    /// `X-B3-TraceId` and its neighbours
    pub(crate) b3_multi: bool,
}

impl Default for TracePropagation {
    fn default() -> Self {
        Self {
            w3c: true,
            b3: false,
            b3_multi: false,
        }
    }
}

impl TracePropagation {
    /// Whether B3 is read, which is so in both of its forms.
    pub(super) const fn reads_b3(self) -> bool {
        self.b3 || self.b3_multi
    }
}

/// Reads names as OpenTelemetry calls them: `tracecontext,b3`.
impl FromStr for TracePropagation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut read = Self {
            w3c: false,
            b3: false,
            b3_multi: false,
        };
        for name in text.split(',') {
            match name.trim() {
                "tracecontext" => read.w3c = true,
                "b3" => read.b3 = true,
                "b3multi" => read.b3_multi = true,
                other => {
                    return Err(format!(
                        "{other:?} is not known: a list of tracecontext, b3 and b3multi, such as tracecontext,b3"
                    ));
                }
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_opentelemetry() {
        let read = |text: &str| text.parse::<TracePropagation>();
        assert_eq!(read("tracecontext"), Ok(TracePropagation::default()));
        let both = read("tracecontext, b3").unwrap();
        assert!(both.w3c && both.b3 && !both.b3_multi);
        assert!(read("b3multi").unwrap().reads_b3());
        for text in ["", "w3c", "b3,"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
