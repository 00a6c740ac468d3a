//! Compiles `compression` of a TrafficPolicy to [`Compression`].

use egret_api::kgateway::{
    CompressionLibraries, CompressionLibrary, TrafficCompression, TrafficPolicySpec,
};

use super::reader::{FieldReading, PolicyReader, ReadPolicy};
use crate::compile::value::SpecFields;
use crate::policy::compression::{Compression, ContentCoding};

impl ReadPolicy for Compression {
    type Spec = TrafficCompression;

    fn of(spec: &TrafficPolicySpec) -> Option<&TrafficCompression> {
        spec.compression.as_ref()
    }

    fn read(
        spec: &TrafficCompression,
        fields: &mut SpecFields<'_>,
        _reader: PolicyReader<'_>,
    ) -> FieldReading<Self> {
        let TrafficCompression {
            response_compression: responses,
            request_decompression: requests,
        } = spec;
        if responses.is_none() && requests.is_none() {
            fields.struct_fault(
                "at least one of the fields in [responseCompression requestDecompression] must be set",
            );
        }
        let mut read = |name: &str, spec: Option<&CompressionLibraries>| {
            spec.map_or_else(Vec::new, |spec| codings(spec, &mut fields.nested(name)))
        };
        FieldReading::Set(Self {
            responses: read("responseCompression", responses.as_ref()),
            requests: read("requestDecompression", requests.as_ref()),
        })
    }
}

fn codings(spec: &CompressionLibraries, fields: &mut SpecFields<'_>) -> Vec<ContentCoding> {
    let CompressionLibraries { libraries, disable } = spec;
    if disable.is_some() {
        return Vec::new();
    }
    let libraries = libraries.as_deref().unwrap_or(&[CompressionLibrary::Gzip]);
    if libraries.is_empty() {
        fields.fault("libraries", "at least one is needed");
    }
    let mut codings = Vec::with_capacity(libraries.len());
    for (index, library) in libraries.iter().enumerate() {
        let coding = match library {
            CompressionLibrary::Gzip => ContentCoding::Gzip,
            CompressionLibrary::Brotli => ContentCoding::Brotli,
            CompressionLibrary::Zstd => ContentCoding::Zstd,
        };
        if codings.contains(&coding) {
            fields.fault(
                &format!("libraries[{index}]"),
                "libraries must not contain duplicates",
            );
        }
        codings.push(coding);
    }
    codings
}
