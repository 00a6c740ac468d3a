//! Command operators: what each means, with its parameters.

use super::duration::TimeSpan;
use super::field::{LogField, MissingValue, ValueKind};
use super::header::{HeaderChoice, RequestField, ResponseField};
use super::own::OwnField;
use super::scan::{FormatFault, RawCommand};
use super::time::{TimeFormat, TimeSource};

use egret_api::suggest::did_you_mean;
use http::HeaderName;

/// A command operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What is written.
    pub operator: Operator,
    /// Bytes that are written of it at most.
    pub max_length: Option<usize>,
}

/// What an operator writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// A field of the request.
    Request(HeaderChoice<RequestField>),
    /// Likewise, up to a question mark.
    RequestWithoutQuery(HeaderChoice<RequestField>),
    /// A field of the response.
    Response(HeaderChoice<ResponseField>),
    /// A trailer field of the response.
    Trailer(HeaderChoice<HeaderName>),
    /// The path of the request.
    Path(PathChoice),
    /// The first value of a parameter of the query, decoded.
    QueryParameter(String),
    /// The query as it is.
    Query,
    /// A time.
    Time(TimeSource, TimeFormat),
    /// A duration.
    Span(TimeSpan),
    /// The status of a gRPC call.
    GrpcStatus(GrpcStatusForm),
    /// The value of an environment variable.
    Environment(String),
    /// An IP address: all of it, or the network of this prefix length.
    Address(AddressSource, Option<u8>),
    /// The server name that the client asks for.
    ServerName(ServerNameChoice),
    /// What the default log tells.
    Own(OwnField),
    /// What takes no parameters.
    Field(LogField),
    /// What this gateway does not have, such as metadata of filters.
    Nothing,
}

/// Which path `%PATH%` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathChoice {
    /// Whether the query is left out.
    pub without_query: bool,
    /// Whether the path as received is meant, if it was changed.
    pub original: bool,
    /// Whether the path as sent is meant, if there is no other.
    pub sent: bool,
}

/// How the status of a gRPC call is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrpcStatusForm {
    /// `NotFound`
    Camel,
    /// `NOT_FOUND`
    Snake,
    /// `5`
    Number,
}

/// Whose IP address is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressSource {
    /// The client's.
    DownstreamRemote,
    /// That of the connection's other end, which may be a proxy's.
    DownstreamDirectRemote,
    /// The gateway's, of the connection from the client.
    DownstreamLocal,
    /// The upstream's.
    UpstreamRemote,
    /// The gateway's, of the connection to the upstream.
    UpstreamLocal,
}

/// Which name `%REQUESTED_SERVER_NAME%` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerNameChoice {
    /// That of the ClientHello.
    SniOnly,
    /// That of the ClientHello, else the host of the request.
    SniFirst,
    /// The host of the request, else that of the ClientHello.
    HostFirst,
}

/// The operators that take parameters, for suggestions.
const WITH_PARAMETERS: &[&str] = &[
    "REQ",
    "REQUEST_HEADER",
    "REQ_WITHOUT_QUERY",
    "RESP",
    "RESPONSE_HEADER",
    "TRAILER",
    "RESPONSE_TRAILER",
    "PATH",
    "QUERY_PARAM",
    "QUERY_PARAMS",
    "START_TIME",
    "START_TIME_LOCAL",
    "EMIT_TIME",
    "EMIT_TIME_LOCAL",
    "COMMON_DURATION",
    "REQUEST_DURATION",
    "REQUEST_TX_DURATION",
    "RESPONSE_DURATION",
    "RESPONSE_TX_DURATION",
    "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    "GRPC_STATUS",
    "GRPC_STATUS_NUMBER",
    "ENVIRONMENT",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "REQUESTED_SERVER_NAME",
    "DOWNSTREAM_PEER_CERT_V_START",
    "DOWNSTREAM_PEER_CERT_V_END",
    "EGRET",
];

/// The operators about what is kept by filters of Envoy.
const METADATA: &[&str] = &[
    "DYNAMIC_METADATA",
    "CLUSTER_METADATA",
    "UPSTREAM_METADATA",
    "METADATA",
    "FILTER_STATE",
    "UPSTREAM_FILTER_STATE",
    "UPSTREAM_PEER_CERT_V_START",
    "UPSTREAM_PEER_CERT_V_END",
];

impl Command {
    /// Understands an operator.
    ///
    /// # Errors
    /// If there is none of this name, or its parameters are not what it takes.
    pub(super) fn read(raw: &RawCommand<'_>) -> Result<Self, FormatFault> {
        let Some(operator) = operator(raw)? else {
            return Err(unknown(raw));
        };
        if raw.max_length.is_some() && !operator.can_be_cut() {
            return Err(raw.fault("does not allow a length"));
        }
        Ok(Self {
            operator,
            max_length: raw.max_length,
        })
    }

    /// How its value is written into JSON.
    #[must_use]
    pub fn kind(&self) -> ValueKind {
        match &self.operator {
            Operator::Span(_) | Operator::GrpcStatus(GrpcStatusForm::Number) => ValueKind::Number,
            Operator::Field(field) => field.kind(),
            Operator::Own(field) => field.kind(),
            Operator::Address(..) => ValueKind::Plain,
            Operator::Time(_, format) if format.is_plain() => ValueKind::Plain,
            Operator::Request(choice) if choice.fields().all(RequestField::is_plain) => {
                ValueKind::Plain
            }
            _ => ValueKind::Text,
        }
    }

    /// What is written if there is no value.
    #[must_use]
    pub fn missing(&self) -> MissingValue {
        match &self.operator {
            Operator::Field(field) => field.missing(),
            Operator::Environment(_) => MissingValue::Dash,
            _ => MissingValue::Null,
        }
    }

    /// Whether it can have a value.
    pub(super) fn is_known(&self) -> bool {
        match &self.operator {
            Operator::Field(field) => field.is_known(),
            Operator::Nothing => false,
            _ => true,
        }
    }
}

impl Operator {
    /// Whether a length may follow: it may where the value is a text of any length.
    const fn can_be_cut(&self) -> bool {
        matches!(
            self,
            Self::Request(_)
                | Self::RequestWithoutQuery(_)
                | Self::Response(_)
                | Self::Trailer(_)
                | Self::Path(_)
                | Self::QueryParameter(_)
                | Self::Query
                | Self::Environment(_)
                | Self::Nothing
        )
    }
}

fn operator(raw: &RawCommand<'_>) -> Result<Option<Operator>, FormatFault> {
    let required = || {
        let missing = || raw.fault("requires parameters");
        raw.parameters.ok_or_else(missing)
    };
    let request = || HeaderChoice::read(raw, required()?, RequestField::new);
    let response = || HeaderChoice::read(raw, required()?, ResponseField::new);
    let trailer = || HeaderChoice::read(raw, required()?, |name| name.parse().ok());
    let time = |source| {
        let format = TimeFormat::read(
            raw.parameters,
            matches!(source, TimeSource::StartLocal | TimeSource::EmitLocal),
        );
        Operator::Time(source, format)
    };
    Ok(Some(match raw.name {
        "REQ" | "REQUEST_HEADER" => Operator::Request(request()?),
        "REQ_WITHOUT_QUERY" => Operator::RequestWithoutQuery(request()?),
        "RESP" | "RESPONSE_HEADER" => Operator::Response(response()?),
        "TRAILER" | "RESPONSE_TRAILER" => Operator::Trailer(trailer()?),
        "PATH" => Operator::Path(path(raw)?),
        "QUERY_PARAM" => Operator::QueryParameter(required()?.to_owned()),
        "QUERY_PARAMS" => match raw.parameters {
            None => Operator::Query,
            Some(_) => return Err(raw.fault("takes no parameters here")),
        },
        "START_TIME" => time(TimeSource::Start),
        "START_TIME_LOCAL" => time(TimeSource::StartLocal),
        "EMIT_TIME" => time(TimeSource::Emit),
        "EMIT_TIME_LOCAL" => time(TimeSource::EmitLocal),
        "DOWNSTREAM_PEER_CERT_V_START" => time(TimeSource::PeerCertificateStart),
        "DOWNSTREAM_PEER_CERT_V_END" => time(TimeSource::PeerCertificateEnd),
        "COMMON_DURATION" => Operator::Span(TimeSpan::read(raw, required()?)?),
        "GRPC_STATUS" => Operator::GrpcStatus(grpc_status(raw)?),
        "GRPC_STATUS_NUMBER" => Operator::GrpcStatus(GrpcStatusForm::Number),
        "ENVIRONMENT" => Operator::Environment(required()?.to_owned()),
        "REQUESTED_SERVER_NAME" => Operator::ServerName(server_name(raw)?),
        "EGRET" => own(raw, required()?)?,
        "CEL" | "TYPED_CEL" => {
            return Err(raw.fault("values of expressions are not supported; celFilter is"));
        }
        name if METADATA.contains(&name) => {
            if !name.contains("CERT") {
                required()?;
            }
            Operator::Nothing
        }
        name => return without_parameters(name, raw),
    }))
}

/// The operators whose name says all.
fn without_parameters(name: &str, raw: &RawCommand<'_>) -> Result<Option<Operator>, FormatFault> {
    if let Some(source) = AddressSource::named(name) {
        let wrong = |prefix| raw.fault(format_args!("{prefix} is no length of a network's prefix"));
        let prefix = raw
            .parameters
            .map(|prefix| prefix.parse().map_err(|_| wrong(prefix)));
        return Ok(Some(Operator::Address(source, prefix.transpose()?)));
    }
    let operator = match TimeSpan::named(name) {
        Some(span) => Some(Operator::Span(span)),
        None => {
            let mut all = LogField::ALL.iter().copied();
            all.find(|field| field.name() == name).map(Operator::Field)
        }
    };
    // Whether details may have blanks makes no difference: they have none.
    let is_free = name == LogField::ResponseCodeDetails.name();
    if operator.is_some() && raw.parameters.is_some() && !is_free {
        return Err(raw.fault("does not take any parameters"));
    }
    Ok(operator)
}

fn unknown(raw: &RawCommand<'_>) -> FormatFault {
    let fields = LogField::ALL.iter().map(|field| field.name());
    let known = WITH_PARAMETERS
        .iter()
        .chain(METADATA)
        .copied()
        .chain(fields);
    let meant = did_you_mean(raw.name, known);
    raw.fault(format_args!("no such command operator{meant}"))
}

impl AddressSource {
    fn named(name: &str) -> Option<Self> {
        Some(match name.strip_suffix("_ADDRESS_WITHOUT_PORT")? {
            "DOWNSTREAM_REMOTE" => Self::DownstreamRemote,
            "DOWNSTREAM_DIRECT_REMOTE" => Self::DownstreamDirectRemote,
            "DOWNSTREAM_LOCAL" | "DOWNSTREAM_DIRECT_LOCAL" => Self::DownstreamLocal,
            "UPSTREAM_REMOTE" => Self::UpstreamRemote,
            "UPSTREAM_LOCAL" => Self::UpstreamLocal,
            _ => return None,
        })
    }
}

fn path(raw: &RawCommand<'_>) -> Result<PathChoice, FormatFault> {
    let mut options = raw.parameters.unwrap_or("WQ").splitn(2, ':');
    let without_query = match options.next() {
        Some("WQ" | "") | None => false,
        Some("NQ") => true,
        Some(other) => {
            return Err(raw.fault(format_args!(
                "{other} is not WQ (with the query) or NQ (without)"
            )));
        }
    };
    let (original, sent) = match options.next() {
        None | Some("ORIG_OR_PATH" | "") => (true, true),
        Some("ORIG") => (true, false),
        Some("PATH") => (false, true),
        Some(other) => {
            return Err(raw.fault(format_args!("{other} is not ORIG, PATH or ORIG_OR_PATH")));
        }
    };
    Ok(PathChoice {
        without_query,
        original,
        sent,
    })
}

fn grpc_status(raw: &RawCommand<'_>) -> Result<GrpcStatusForm, FormatFault> {
    match raw.parameters {
        None | Some("CAMEL_STRING") => Ok(GrpcStatusForm::Camel),
        Some("SNAKE_STRING") => Ok(GrpcStatusForm::Snake),
        Some("NUMBER") => Ok(GrpcStatusForm::Number),
        Some(other) => Err(raw.fault(format_args!(
            "{other} is not CAMEL_STRING, SNAKE_STRING or NUMBER"
        ))),
    }
}

/// Reads which name is meant. Where the host comes from, after a colon, makes no difference here.
fn server_name(raw: &RawCommand<'_>) -> Result<ServerNameChoice, FormatFault> {
    let parameters = raw.parameters.unwrap_or("SNI_ONLY");
    let (choice, host) = parameters.split_once(':').unwrap_or((parameters, "HOST"));
    if !["HOST", "ORIG", "ORIG_OR_HOST"].contains(&host) {
        return Err(raw.fault(format_args!("{host} is not HOST, ORIG or ORIG_OR_HOST")));
    }
    match choice {
        "SNI_ONLY" => Ok(ServerNameChoice::SniOnly),
        "SNI_FIRST" => Ok(ServerNameChoice::SniFirst),
        "HOST_FIRST" => Ok(ServerNameChoice::HostFirst),
        other => Err(raw.fault(format_args!(
            "{other} is not SNI_ONLY, SNI_FIRST or HOST_FIRST"
        ))),
    }
}

fn own(raw: &RawCommand<'_>, name: &str) -> Result<Operator, FormatFault> {
    let unknown = || {
        let meant = did_you_mean(name, OwnField::ALL.iter().map(|field| field.name()));
        raw.fault(format_args!("no such field {name}{meant}"))
    };
    OwnField::named(name).map(Operator::Own).ok_or_else(unknown)
}
