//! Compiles `localReplies` to [`LocalReplies`].

use std::sync::Arc;

use egret_api::kgateway::{LocalRepliesSpec, LocalReplyHeadersSpec, LocalReplyMapperSpec};
use http::StatusCode;

use super::super::edit_lists::EditLists;
use super::super::header_modifiers::{MAX_HEADERS, pair};
use super::super::reader::PolicyReader;
use super::access_log;
use crate::compile::body_format::{self, never_known};
use crate::compile::header::MessageKind;
use crate::compile::log::FieldFault;
use crate::compile::value::SpecFields;
use crate::policy::headers::HeaderEdit;
use crate::snapshot::{LocalReplies, LocalReplyMapper};

/// Maximum number of mappers.
const MAX_MAPPERS: usize = 16;

/// Reads the field; `at` is the path of the struct that contains it.
pub(super) fn read(
    spec: &LocalRepliesSpec,
    at: &str,
    reader: PolicyReader<'_>,
    faults: &mut Vec<FieldFault>,
) -> Arc<LocalReplies> {
    let LocalRepliesSpec {
        default_body_format,
        mappers,
    } = spec;
    let at = format!("{at}.localReplies");
    let mut fields = SpecFields::new(&at, faults);
    if default_body_format.is_none() && mappers.is_empty() {
        let message = "at least one of the fields in [mappers defaultBodyFormat] must be set";
        fields.struct_fault(message);
    }
    if mappers.len() > MAX_MAPPERS {
        fields.fault("mappers", format!("at most {MAX_MAPPERS} are allowed"));
    }
    let format = default_body_format.as_ref();
    let format =
        format.and_then(|spec| body_format::read(spec, &mut fields.nested("defaultBodyFormat")));
    let mappers = mappers.iter().enumerate();
    let mappers = mappers.filter_map(|(index, spec)| {
        mapper(spec, &format!("{at}.mappers[{index}]"), reader, faults)
    });
    Arc::new(LocalReplies::new(mappers.collect(), format))
}

fn mapper(
    spec: &LocalReplyMapperSpec,
    at: &str,
    reader: PolicyReader<'_>,
    faults: &mut Vec<FieldFault>,
) -> Option<LocalReplyMapper> {
    let LocalReplyMapperSpec {
        filter,
        status_code,
        body: text,
        body_format_override,
        headers,
    } = spec;
    let filter = access_log::read_filter(filter, &format!("{at}.filter"), faults);
    let mut fields = SpecFields::new(at, faults);
    let changes = [
        status_code.is_some(),
        text.is_some(),
        body_format_override.is_some(),
        headers.is_some(),
    ];
    if !changes.contains(&true) {
        fields.struct_fault(
            "at least one of the fields in [statusCode body bodyFormatOverride headers] must be set",
        );
    }
    let status = fields.number("statusCode", *status_code, &(100..=599_u16));
    if let Some(100..200) = status {
        // Nothing would come after it (RFC 9110 15.2).
        fields.fault("statusCode", "an interim response is no answer");
    }
    let format = body_format_override.as_ref();
    let format =
        format.and_then(|spec| body_format::read(spec, &mut fields.nested("bodyFormatOverride")));
    let headers = headers.as_ref();
    let headers = headers.map(|spec| header_edit(spec, &mut fields.nested("headers"), reader));
    Some(LocalReplyMapper {
        filter: filter?,
        status: status.and_then(|status| StatusCode::from_u16(status).ok()),
        body: text.as_deref().map(Into::into),
        format,
        headers: headers.unwrap_or_default(),
    })
}

fn header_edit(
    spec: &LocalReplyHeadersSpec,
    fields: &mut SpecFields<'_>,
    reader: PolicyReader<'_>,
) -> HeaderEdit {
    let LocalReplyHeadersSpec { set, add, remove } = spec;
    if remove.is_some() {
        let message = "local reply mappers may only add or modify headers, not remove them";
        fields.fault("remove", message);
    }
    if set.is_none() && add.is_none() {
        fields.struct_fault("at least one of the fields in [set add] must be set");
    }
    for (list, specs) in [("set", set), ("add", add)] {
        if specs
            .as_ref()
            .is_some_and(|specs| specs.len() > MAX_HEADERS)
        {
            fields.fault(list, format!("at most {MAX_HEADERS} are allowed"));
        }
    }
    let remove = &None;
    EditLists { set, add, remove }.read(fields, |spec, fields| {
        pair(spec, MessageKind::Response, fields, reader)
    })
}

/// The warning about operators that never have a value here, if there are any.
pub(super) fn warning(replies: &LocalReplies) -> Option<FieldFault> {
    never_known("localReplies", replies.formats())
}
