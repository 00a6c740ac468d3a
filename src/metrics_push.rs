//! Pushed metrics, as the arguments and the environment say.

use std::path::Path;

use egret_config::metrics_push::PushHeaders;
use egret_proxy::MetricsPush;

use crate::args::RunArgs;
use crate::process::{GivenText, ServeError, text_of_file, text_of_variable};

/// The variables that may have header fields, by OpenTelemetry: the first has the first word.
const VARIABLES: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS",
];

/// To whom metrics are pushed, if they are.
///
/// # Errors
/// If the header fields cannot be read.
pub(crate) fn push_of(run: &RunArgs) -> Result<Option<MetricsPush>, ServeError> {
    let Some(to) = &run.otlp_metrics_endpoint else {
        return Ok(None);
    };
    let headers_file = run.otlp_metrics_headers.as_deref();
    let headers = match headers_file {
        Some(path) => of_file(path)?,
        None => of_environment()?,
    };
    Ok(Some(MetricsPush {
        to: to.with_headers(&headers),
        headers_file: headers_file.map(Path::to_owned),
        interval: run.otlp_metrics_interval,
    }))
}

fn of_file(path: &Path) -> Result<PushHeaders, String> {
    let GivenText { place, text } = text_of_file(path)?;
    PushHeaders::of_file(&text).map_err(|error| format!("{place}: {error}"))
}

/// The header fields that a variable of the environment has. One that is empty is as one that is not there.
fn of_environment() -> Result<PushHeaders, String> {
    let mut given = VARIABLES.into_iter().filter_map(text_of_variable);
    let Some(GivenText { place, text }) = given.find(|given| !given.text.trim().is_empty()) else {
        return Ok(PushHeaders::default());
    };
    PushHeaders::of_variable(&text).map_err(|error| format!("{place}: {error}"))
}
