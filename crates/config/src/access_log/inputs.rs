//! What the lines of a log need of messages.

use http::HeaderName;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};

use super::collector::ServiceLog;
use super::command::{AddressSource, Command, Operator};
use super::field::LogField;
use super::filter::LogFilter;
use super::format::{FormatPiece, LogFormat, TextPiece};
use super::header::{HeaderChoice, RequestField, ResponseField};

/// What the lines of a log need of messages and connections, beyond what every line may tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogInputs {
    /// Header fields of requests.
    pub request_headers: Vec<HeaderName>,
    /// Header fields of responses.
    pub response_headers: Vec<HeaderName>,
    /// Trailer fields of responses.
    pub response_trailers: Vec<HeaderName>,
    /// Header fields of requests of which every line is needed.
    pub request_lines: Vec<HeaderName>,
    /// Whether one of the header fields of requests is neither the host nor `User-Agent`, which every record tells by itself.
    pub undescribed: bool,
    /// Whether the whole head of the request is needed.
    pub head: bool,
    /// Whether the path and the query are needed, as they came and as they were sent.
    pub target: bool,
    /// Whether the sizes of heads are needed.
    pub sizes: bool,
    /// Whether the gateway's own address of a client's connection is needed.
    pub local_address: bool,
}

impl LogInputs {
    /// Whether more is needed of the fields of a request than the host and `User-Agent`.
    #[must_use]
    pub fn reads_request_fields(&self) -> bool {
        self.undescribed || self.head || self.sizes || !self.request_lines.is_empty()
    }

    pub(crate) fn add_format(&mut self, format: &LogFormat) {
        for piece in format.pieces() {
            match piece {
                FormatPiece::Literal(_) => {}
                FormatPiece::Text(command) | FormatPiece::Json(command, _) => self.add(command),
                FormatPiece::JsonText(pieces) => {
                    for piece in pieces {
                        if let TextPiece::Command(command) = piece {
                            self.add(command);
                        }
                    }
                }
            }
        }
    }

    pub(crate) fn add_filter(&mut self, filter: &LogFilter) {
        match filter {
            LogFilter::Header(condition) => add(&mut self.request_lines, &condition.name),
            LogFilter::GrpcStatus(_) => self.add_grpc(),
            LogFilter::Expression(_) => {
                self.head = true;
                self.add_grpc();
            }
            LogFilter::Every(filters) | LogFilter::Either(filters) => {
                for filter in filters {
                    self.add_filter(filter);
                }
            }
            LogFilter::All
            | LogFilter::None
            | LogFilter::NotHealthCheck
            | LogFilter::Sampled
            | LogFilter::StatusCode(_)
            | LogFilter::Duration(_)
            | LogFilter::Flags(_)
            | LogFilter::Share(_) => {}
        }
    }

    pub(super) fn add_service(&mut self, log: &ServiceLog) {
        for name in &log.request_headers {
            self.add_request_header(name);
        }
        for (wanted, names) in [
            (&mut self.response_headers, &log.response_headers),
            (&mut self.response_trailers, &log.response_trailers),
        ] {
            names.iter().for_each(|name| add(wanted, name));
        }
        for told in ServiceLog::REQUEST_FIELDS {
            self.add_request_header(&HeaderName::from_static(told));
        }
        self.sizes = true;
        self.local_address = true;
    }

    /// Whether nothing is needed of the head of a request as it came, but for what every record tells by itself.
    #[must_use]
    pub const fn are_described(&self) -> bool {
        !self.undescribed && !self.head && self.request_lines.is_empty()
    }

    fn add_request_header(&mut self, name: &HeaderName) {
        self.undescribed |= ![HOST, USER_AGENT].contains(name);
        add(&mut self.request_headers, name);
    }

    fn add(&mut self, command: &Command) {
        match &command.operator {
            Operator::Request(choice) | Operator::RequestWithoutQuery(choice) => {
                self.add_request(choice);
            }
            Operator::Response(choice) => self.add_response(choice),
            Operator::Trailer(choice) => {
                for name in choice.fields() {
                    add(&mut self.response_trailers, name);
                }
            }
            Operator::Path(_) | Operator::QueryParameter(_) | Operator::Query => self.target = true,
            Operator::GrpcStatus(_) => self.add_grpc(),
            Operator::Address(AddressSource::DownstreamLocal, _) => self.local_address = true,
            Operator::Field(field) => match field {
                LogField::RequestHeadersBytes
                | LogField::ResponseHeadersBytes
                | LogField::ResponseTrailersBytes => self.sizes = true,
                LogField::DownstreamLocalAddress | LogField::DownstreamDirectLocalAddress => {
                    self.local_address = true;
                }
                LogField::StreamId => {
                    self.add_request_header(&HeaderName::from_static("x-request-id"));
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn add_request(&mut self, choice: &HeaderChoice<RequestField>) {
        for field in choice.fields() {
            match field {
                RequestField::Named(name) => self.add_request_header(name),
                RequestField::Path | RequestField::OriginalPath => self.target = true,
                RequestField::Authority => self.add_request_header(&HOST),
                RequestField::Method | RequestField::Scheme => {}
            }
        }
    }

    fn add_response(&mut self, choice: &HeaderChoice<ResponseField>) {
        for field in choice.fields() {
            if let ResponseField::Named(name) = field {
                add(&mut self.response_headers, name);
            }
        }
    }

    /// The fields that tell the status of a gRPC call.
    fn add_grpc(&mut self) {
        let status = HeaderName::from_static("grpc-status");
        self.add_request_header(&CONTENT_TYPE);
        add(&mut self.response_headers, &status);
        add(&mut self.response_trailers, &status);
    }
}

fn add(names: &mut Vec<HeaderName>, name: &HeaderName) {
    if !names.contains(name) {
        names.push(name.clone());
    }
}
