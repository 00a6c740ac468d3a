//! The questions to the admin address of a gateway.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::state::{Answers, Question};
use crate::process::GivenText;

/// How long the gateway may take to answer all that is asked at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer: ten thousand destinations are a tenth of it.
const LONGEST: usize = 64 << 20;

/// Asks one admin address.
pub(super) struct AdminClient {
    address: SocketAddr,
    /// The value of `Authorization`.
    token: Option<HeaderValue>,
}

/// Why the gateway did not answer.
#[derive(Debug, Error)]
#[error("{address}: {why}")]
pub(super) struct AskError {
    address: SocketAddr,
    why: AskFault,
}

#[derive(Debug, Error)]
enum AskFault {
    #[error("nobody answers: {0}; --admin names the admin address of a gateway")]
    Connect(#[source] std::io::Error),
    #[error("no answer within {PATIENCE:?}")]
    Timeout,
    #[error("this is no admin address: {0}")]
    Http(#[source] hyper::Error),
    #[error("the answer cannot be read: {0}")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("a token is needed: --admin-token, or EGRET_ADMIN_TOKEN")]
    NoToken,
    #[error("the token is not the gateway's: --admin-token, or EGRET_ADMIN_TOKEN")]
    WrongToken,
    #[error("{path} is answered with {status}: {line}")]
    Refused {
        path: String,
        status: StatusCode,
        line: String,
    },
}

impl AdminClient {
    /// # Errors
    /// If no header field can carry the token.
    pub(super) fn new(address: SocketAddr, token: Option<GivenText>) -> Result<Self, String> {
        let token = token.map(|GivenText { place, text }| {
            let value = HeaderValue::from_str(&format!("Bearer {}", text.trim()));
            value.map_err(|_| format!("{place}: a token is one word of visible ASCII"))
        });
        Ok(Self {
            address,
            token: token.transpose()?,
        })
    }

    /// Asks questions one after the other, on one connection.
    ///
    /// # Errors
    /// If one of them is not answered.
    pub(super) async fn ask(&self, questions: Vec<Question>) -> Result<Answers, AskError> {
        let answered = timeout(PATIENCE, self.ask_all(questions)).await;
        let answered = answered.unwrap_or(Err(AskFault::Timeout));
        answered.map_err(|why| AskError {
            address: self.address,
            why,
        })
    }

    async fn ask_all(&self, questions: Vec<Question>) -> Result<Answers, AskFault> {
        let mut sender = self.connect().await?;
        let mut answers = Answers::with_capacity(questions.len());
        for question in questions {
            let answer = self.ask_one(&mut sender, &question.path()).await?;
            answers.push((question, answer));
        }
        Ok(answers)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "an address that the user names, by no configuration and for no client"
    )]
    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, AskFault> {
        let stream = TcpStream::connect(self.address).await;
        let stream = stream.map_err(AskFault::Connect)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(AskFault::Http)?;
        // What ends it is told by the request.
        Handle::current().spawn(connection);
        Ok(sender)
    }

    async fn ask_one(
        &self,
        sender: &mut SendRequest<Empty<Bytes>>,
        path: &str,
    ) -> Result<Bytes, AskFault> {
        let request = self.request(path);
        sender.ready().await.map_err(AskFault::Http)?;
        let response = sender.send_request(request).await;
        let response = response.map_err(AskFault::Http)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LONGEST).collect();
        let body = body.await.map_err(AskFault::Body)?.to_bytes();
        match status {
            StatusCode::OK => Ok(body),
            StatusCode::UNAUTHORIZED if self.token.is_none() => Err(AskFault::NoToken),
            StatusCode::UNAUTHORIZED => Err(AskFault::WrongToken),
            _ => Err(AskFault::Refused {
                path: path.to_owned(),
                status,
                line: first_line(&body),
            }),
        }
    }

    fn request(&self, path: &str) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        // Paths are made of what a URI can hold, so that the other one never comes.
        *request.uri_mut() = path.parse().unwrap_or_default();
        let host = HeaderValue::from_str(&self.address.to_string());
        let headers = request.headers_mut();
        headers.extend(host.ok().map(|host| (HOST, host)));
        headers.extend(self.token.clone().map(|token| (AUTHORIZATION, token)));
        request
    }
}

/// The first line of an answer, which may come from anybody.
fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|char| !char.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_a_header_field_can_carry() {
        let new = |text: &str| {
            let token = GivenText {
                place: "EGRET_ADMIN_TOKEN".to_owned(),
                text: text.to_owned(),
            };
            let client = AdminClient::new(([127, 0, 0, 1], 19000).into(), Some(token));
            client.map(|client| client.token)
        };
        let expected = HeaderValue::from_static("Bearer s3cret");
        assert_eq!(new("s3cret\n"), Ok(Some(expected)));
        let error = new("two\nlines").unwrap_err();
        assert!(error.starts_with("EGRET_ADMIN_TOKEN: "), "{error}");
    }

    #[test]
    fn what_somebody_else_answers_is_one_line() {
        assert_eq!(first_line(b"<html>\x1b[2J\nmore"), "<html>[2J");
        assert_eq!(first_line(b""), "");
    }
}
