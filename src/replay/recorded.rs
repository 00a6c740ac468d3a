//! A request as the access log has it.

use std::fmt;
use std::net::SocketAddr;

use egret_config::snapshot::{Scheme, Snapshot};
use egret_proxy::{QuestionForm, QuestionUrl, RequestQuestion, Undecided, explain};
use serde::Serialize;

use super::decision::Decision;
use crate::access_log::LogLine;

/// A request, and what was decided about it.
pub(super) struct Recording {
    pub(super) request: RecordedRequest,
    pub(super) decision: Decision,
}

/// What would become of a request.
pub(super) enum Judgement {
    Decided(Decision),
    /// It depends on what the log does not tell: by what.
    Unknown(String),
}

/// A request of the log. Its header fields and its query are not logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct RecordedRequest {
    pub(super) listener: String,
    client: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// Absent for TLS passthrough.
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// Whether the request was routed by its host, and not sent to a proxy.
    #[serde(skip)]
    by_host: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<&'static str>,
    /// The host that it names, with the port if it names one.
    authority: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    /// The address that it went to.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<SocketAddr>,
}

impl Recording {
    /// What a line says; `None` if it does not tell what was asked for, or nothing that can be decided again.
    pub(super) fn of(line: &LogLine<'_>) -> Option<Self> {
        let decision = Decision::recorded(line)?;
        let owned = |text: &Option<_>| text.as_deref().map(str::to_owned);
        let is_tls = line.protocol.as_deref() == Some("TLS");
        let authority = if is_tls { &line.sni } else { &line.authority };
        let request = RecordedRequest {
            listener: owned(&line.listener)?,
            client: line.client.parse().ok()?,
            user: owned(&line.user),
            method: owned(&line.method).filter(|_| !is_tls),
            by_host: line.form.as_deref() == Some("host"),
            scheme: line.scheme.as_deref().and_then(scheme),
            authority: owned(authority)?,
            path: owned(&line.path),
            destination: owned(&line.destination),
            upstream: line.upstream.as_deref().and_then(|it| it.parse().ok()),
        };
        request.question()?;
        Some(Self { request, decision })
    }
}

fn scheme(text: &str) -> Option<&'static str> {
    [Scheme::Http, Scheme::Https]
        .map(Scheme::as_str)
        .into_iter()
        .find(|scheme| *scheme == text)
}

impl RecordedRequest {
    /// Where it went, or wanted to go.
    pub(super) fn to(&self) -> &str {
        self.destination.as_ref().unwrap_or(&self.authority)
    }

    /// The request, to be asked about; `None` if it is not valid.
    fn question(&self) -> Option<RequestQuestion> {
        let form = match self.method.as_deref() {
            None => QuestionForm::Sni,
            Some("CONNECT") => QuestionForm::Connect,
            Some(_) if self.by_host => QuestionForm::Host,
            Some(_) => QuestionForm::Absolute,
        };
        let is_https = self.scheme == Some(Scheme::Https.as_str());
        let scheme = if is_https {
            Scheme::Https
        } else {
            Scheme::Http
        };
        let path = self.path.as_deref().filter(|path| path.starts_with('/'));
        let url = QuestionUrl::of(scheme, &self.authority, path.unwrap_or("/")).ok()?;
        let mut question = RequestQuestion::new(form, url);
        if let (QuestionForm::Absolute | QuestionForm::Host, Some(method)) = (form, &self.method) {
            question.method = method.parse().ok()?;
        }
        question.client = self.client.ip();
        question.user = self.user.as_deref().map(Into::into);
        question.listener = Some(self.listener.clone());
        question.addresses = self.upstream.iter().map(SocketAddr::ip).collect();
        question.is_recorded = true;
        Some(question)
    }

    /// What would be decided now. Of several backends, one by which nothing changes is taken if there is one.
    pub(super) fn decide(&self, snapshot: &Snapshot, recorded: &Decision) -> Judgement {
        let told = self.question().map(|question| explain(snapshot, &question));
        let mut undecided = told
            .iter()
            .flatten()
            .filter_map(|one| one.undecided.as_ref());
        let decisions: Vec<_> = told.iter().flatten().map(Decision::now).collect();
        let same = decisions.iter().find(|now| now.is_like(recorded));
        match undecided.next() {
            // Who was refused then had no credentials that are right now.
            Some(Undecided::ByCredentials) if same.is_some() => {}
            Some(Undecided::ByCredentials) => {
                return Judgement::Unknown("the log has no credentials".to_owned());
            }
            Some(Undecided::By(what)) => {
                return Judgement::Unknown(format!("{what} may depend on more than the log tells"));
            }
            None => {}
        }
        let now = same.or_else(|| decisions.first()).cloned();
        Judgement::Decided(now.unwrap_or_else(Decision::no_listener))
    }
}

impl fmt::Display for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            listener,
            client,
            user,
            method,
            authority,
            ..
        } = self;
        match method {
            Some(method) => write!(f, "{method} ")?,
            None => f.write_str("TLS to ")?,
        }
        let path = self
            .path
            .as_deref()
            .filter(|_| method.as_deref() != Some("CONNECT"));
        write!(f, "{authority}{} by ", path.unwrap_or_default())?;
        match user {
            Some(user) => write!(f, "{user}")?,
            None => write!(f, "{}", client.ip())?,
        }
        write!(f, " at {listener}")
    }
}
