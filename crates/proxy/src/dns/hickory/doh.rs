//! DNS over HTTPS (RFC 8484): each query is a POST request on an HTTP/2 connection.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use egret_config::name::DnsName;
use h2::client::SendRequest;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, Request, StatusCode, Uri};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;

use super::error::TransportError;

/// The protocol that is offered in the TLS handshake.
pub(super) const ALPN: &[u8] = b"h2";
/// The media type of a DNS message (RFC 8484 6).
const DNS_MESSAGE: &str = "application/dns-message";
/// The longest DNS message, in bytes.
const MAX_MESSAGE: usize = 65_535;
/// The port of `https`, which the URI leaves out.
const DEFAULT_PORT: u16 = 443;

/// An HTTP/2 connection to a server. Clones share it.
#[derive(Clone)]
pub(super) struct DohConnection {
    requests: SendRequest<Bytes>,
    uri: Uri,
}

/// The URI that queries are posted to.
pub(super) fn uri(
    address: SocketAddr,
    name: Option<&DnsName>,
    path: &str,
) -> Result<Uri, http::Error> {
    let host = match (name, address) {
        (Some(name), _) => name.as_str().to_owned(),
        (None, SocketAddr::V4(address)) => address.ip().to_string(),
        (None, SocketAddr::V6(address)) => format!("[{}]", address.ip()),
    };
    let authority = match address.port() {
        DEFAULT_PORT => host,
        port => format!("{host}:{port}"),
    };
    Uri::builder()
        .scheme("https")
        .authority(authority)
        .path_and_query(path)
        .build()
}

impl DohConnection {
    /// Starts HTTP/2 on a stream. A task drives the connection until it ends or the last clone is dropped.
    pub(super) async fn connect<S>(stream: S, uri: Uri) -> Result<Self, TransportError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut builder = h2::client::Builder::new();
        builder.enable_push(false);
        let (requests, connection) = builder.handshake(stream).await.map_err(closed)?;
        Handle::current().spawn(async move {
            // The requests in flight are told how the connection ended.
            let _ = connection.await;
        });
        Ok(Self { requests, uri })
    }

    /// Sends a query and returns the response, both in wire format.
    pub(super) async fn post(&self, query: Vec<u8>) -> Result<Bytes, TransportError> {
        let request = Request::post(self.uri.clone())
            .header(CONTENT_TYPE, DNS_MESSAGE)
            .header(ACCEPT, DNS_MESSAGE)
            .body(())
            .map_err(|error| TransportError::Protocol(error.to_string()))?;
        let mut requests = self.requests.clone().ready().await.map_err(closed)?;
        let (response, mut body) = requests.send_request(request, false).map_err(closed)?;
        body.send_data(query.into(), true).map_err(closed)?;
        let (head, body) = response.await.map_err(closed)?.into_parts();
        check(head.status, &head.headers).map_err(TransportError::Protocol)?;
        read(body).await
    }
}

/// Checks that a response holds a DNS message, whatever its RCODE (RFC 8484 4.2.1).
fn check(status: StatusCode, headers: &HeaderMap) -> Result<(), String> {
    if status != StatusCode::OK {
        return Err(format!("the HTTP status is {status}"));
    }
    let kind = headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], |value| value.as_bytes());
    if kind.eq_ignore_ascii_case(DNS_MESSAGE.as_bytes()) {
        Ok(())
    } else {
        let kind = kind.escape_ascii();
        Err(format!("the response is no DNS message but \"{kind}\""))
    }
}

async fn read(mut body: h2::RecvStream) -> Result<Bytes, TransportError> {
    let mut message = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(closed)?;
        if message.len() + data.len() > MAX_MESSAGE {
            return Err(TransportError::Protocol("the response is too long".into()));
        }
        message.extend_from_slice(&data);
        body.flow_control()
            .release_capacity(data.len())
            .map_err(closed)?;
    }
    Ok(message.freeze())
}

fn closed(error: h2::Error) -> TransportError {
    TransportError::Closed(format!("HTTP/2: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_names_the_server_as_its_certificate_does() {
        for (address, name, expected) in [
            ("192.0.2.1:443", None, "https://192.0.2.1/dns-query"),
            ("192.0.2.1:8443", None, "https://192.0.2.1:8443/dns-query"),
            ("[2001:db8::1]:443", None, "https://[2001:db8::1]/dns-query"),
            (
                "192.0.2.1:443",
                Some("dns.test"),
                "https://dns.test/dns-query",
            ),
            (
                "[2001:db8::1]:8443",
                Some("dns.test"),
                "https://dns.test:8443/dns-query",
            ),
        ] {
            let name: Option<DnsName> = name.map(|name: &str| name.parse().unwrap());
            let uri = uri(address.parse().unwrap(), name.as_ref(), "/dns-query");
            assert_eq!(uri.unwrap().to_string(), expected);
        }
        assert!(uri("192.0.2.1:443".parse().unwrap(), None, "no path").is_err());
    }

    #[test]
    fn only_a_dns_message_is_read() {
        let headers =
            |kind: &'static str| HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]);
        assert_eq!(
            check(StatusCode::OK, &headers("Application/DNS-message")),
            Ok(())
        );
        assert!(check(StatusCode::OK, &headers("text/html")).is_err());
        assert!(check(StatusCode::OK, &HeaderMap::new()).is_err());
        assert!(check(StatusCode::BAD_GATEWAY, &headers(DNS_MESSAGE)).is_err());
    }
}
