//! Selectors of labels (`matchLabels` and `matchExpressions`).

use std::collections::BTreeMap;
use std::fmt;

/// The labels of an object.
pub(crate) type Labels = BTreeMap<String, String>;

/// Requirements on the labels of objects, which all must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelSelector(Vec<LabelRequirement>);

/// One requirement on the labels of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LabelRequirement {
    key: String,
    test: LabelTest,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum LabelTest {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
}

/// One entry of `matchExpressions`.
pub(crate) struct LabelExpression<'a> {
    pub(crate) key: &'a str,
    pub(crate) operator: &'a str,
    pub(crate) values: &'a [String],
}

/// What an expression that is not valid needs.
pub(crate) const EXPRESSION_NEEDS: &str =
    "operator is In or NotIn with values, or Exists or DoesNotExist without";

impl LabelSelector {
    /// Requires all of these labels.
    #[must_use]
    pub fn of_labels(labels: &BTreeMap<String, String>) -> Self {
        let labels = labels.iter().map(|(key, value)| LabelRequirement {
            key: key.clone(),
            test: LabelTest::In(vec![value.clone()]),
        });
        Self(labels.collect())
    }

    /// Reads `matchLabels` and `matchExpressions`.
    ///
    /// # Errors
    /// With the index of an expression whose operator is unknown, or has values where it takes none or none where it
    /// needs some.
    pub(crate) fn read<'a>(
        labels: &Labels,
        expressions: impl IntoIterator<Item = LabelExpression<'a>>,
    ) -> Result<Self, usize> {
        let Self(mut all) = Self::of_labels(labels);
        for (index, expression) in expressions.into_iter().enumerate() {
            let LabelExpression {
                key,
                operator,
                values,
            } = expression;
            let values = values.to_vec();
            let test = match (operator, values.is_empty()) {
                ("In", false) => LabelTest::In(values),
                ("NotIn", false) => LabelTest::NotIn(values),
                ("Exists", true) => LabelTest::Exists,
                ("DoesNotExist", true) => LabelTest::DoesNotExist,
                _ => return Err(index),
            };
            let key = key.to_owned();
            all.push(LabelRequirement { key, test });
        }
        Ok(Self(all))
    }

    /// Whether nothing is required.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all requirements hold, by the value of each label.
    pub(crate) fn holds<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|requirement| {
            let value = value(&requirement.key);
            match &requirement.test {
                LabelTest::In(values) => {
                    value.is_some_and(|value| values.iter().any(|one| one == value))
                }
                LabelTest::NotIn(values) => {
                    !value.is_some_and(|value| values.iter().any(|one| one == value))
                }
                LabelTest::Exists => value.is_some(),
                LabelTest::DoesNotExist => value.is_none(),
            }
        })
    }

    /// Whether all requirements hold for these labels.
    pub(crate) fn matches(&self, labels: Option<&Labels>) -> bool {
        self.holds(|key| Some(labels?.get(key)?.as_str()))
    }
}

/// Writes what the API of Kubernetes takes as `labelSelector`.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requirements = self.0.iter().map(ToString::to_string);
        f.write_str(&requirements.collect::<Vec<_>>().join(","))
    }
}

impl fmt::Display for LabelRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.test {
            LabelTest::In(values) => match values.as_slice() {
                [only] => write!(f, "{key}={only}"),
                values => write!(f, "{key} in ({})", values.join(",")),
            },
            LabelTest::NotIn(values) => write!(f, "{key} notin ({})", values.join(",")),
            LabelTest::Exists => f.write_str(key),
            LabelTest::DoesNotExist => write!(f, "!{key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(operator: &str, values: &[&str]) -> Result<LabelSelector, usize> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        let expression = LabelExpression {
            key: "team",
            operator,
            values: &values,
        };
        LabelSelector::read(&Labels::new(), [expression])
    }

    #[test]
    fn labels_are_selected_by_what_they_are() {
        for (operator, values, of, text) in [
            ("In", &["a", "b"][..], [true, false, false], "team in (a,b)"),
            ("In", &["a"], [true, false, false], "team=a"),
            ("NotIn", &["a"], [false, true, true], "team notin (a)"),
            ("Exists", &[], [true, true, false], "team"),
            ("DoesNotExist", &[], [false, false, true], "!team"),
        ] {
            let selector = selector(operator, values).unwrap();
            let labels = |value: &str| Labels::from([("team".to_owned(), value.to_owned())]);
            let matches = [Some(labels("a")), Some(labels("c")), None];
            assert_eq!(
                matches.map(|labels| selector.matches(labels.as_ref())),
                of,
                "{text}"
            );
            assert_eq!(selector.to_string(), text);
        }
        assert_eq!(selector("In", &[]), Err(0));
        assert_eq!(selector("Exists", &["a"]), Err(0));
        assert_eq!(selector("Is", &["a"]), Err(0));
    }
}
