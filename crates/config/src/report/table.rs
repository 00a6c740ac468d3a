//! Prints the report as an aligned table.

use super::{Report, StatusCondition};

const HEADER: [&str; 6] = ["KIND", "NAME", "CONDITION", "STATUS", "REASON", "MESSAGE"];

/// Prints one line for each condition that is wanted. A part of an object (a listener, a parent) is named in the column of the
/// condition.
pub(super) fn render(report: &Report, wanted: impl Fn(&StatusCondition) -> bool) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    for object in &report.objects {
        let reference = &object.object;
        let name = if reference.namespace.is_empty() {
            reference.name.to_string()
        } else {
            format!("{}/{}", reference.namespace, reference.name)
        };
        for (part, condition) in object.conditions().filter(|(_, it)| wanted(it)) {
            let kind = if part.is_empty() {
                condition.kind.to_owned()
            } else {
                format!("{} ({part})", condition.kind)
            };
            rows.push([
                reference.kind.to_string(),
                name.clone(),
                kind,
                if condition.status { "True" } else { "False" }.to_owned(),
                condition.reason.to_owned(),
                condition.message.replace(['\n', '\r'], " "),
            ]);
        }
    }
    align(&rows)
}

fn align(rows: &[[String; 6]]) -> String {
    let mut widths = [0; 6];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::report::{ObjectReport, ObjectStatus, PlainStatus, Report, StatusCondition};
    use crate::resources::{Kind, ObjectRef};

    #[test]
    fn columns_line_up() {
        let object = |name, kind: &'static str| ObjectReport {
            object: ObjectRef::new(Kind::Backend, "ns", name),
            file: "a.yaml".into(),
            line: 1,
            status: ObjectStatus::Plain(PlainStatus {
                conditions: vec![StatusCondition::new(kind, true, "Fine", "all\nwell")],
            }),
        };
        let report = Report {
            objects: vec![object("a", "Accepted"), object("longer-name", "Ok")],
            ..Report::default()
        };
        assert_eq!(
            report.table(),
            "KIND     NAME            CONDITION  STATUS  REASON  MESSAGE\n\
             Backend  ns/a            Accepted   True    Fine    all well\n\
             Backend  ns/longer-name  Ok         True    Fine    all well\n"
        );
        assert!(report.accepted());
        assert_eq!(report.table_of_faults(), None);
    }
}
