//! Asks a proxy for a connection (`tunnel` of a BackendConfigPolicy).

use std::io;

use egret_config::snapshot::UpstreamProxy;
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::carrier::Carrier;
use crate::dial::failure::ConnectFailure;
use crate::plan::destination::DestinationKey;
use crate::refusal::Refusal;

/// The most bytes of the head of an answer.
const MAX_HEAD: usize = 16 * 1024;
const END: &[u8] = b"\r\n\r\n";

/// Asks a proxy for a connection to the destination. What it sends after its answer comes from there.
///
/// # Errors
/// [`Refusal::Proxy`] if the proxy makes none, and [`Refusal::Connect`] if it gives no answer.
pub(super) async fn ask(
    carrier: &mut Carrier,
    proxy: &UpstreamProxy,
    destination: &DestinationKey,
) -> Result<(), Refusal> {
    let broken = |_| Refusal::Connect(ConnectFailure::Terminated);
    let request = request(proxy, destination);
    carrier.write_all(&request).await.map_err(broken)?;
    carrier.flush().await.map_err(broken)?;
    loop {
        let head = match carrier {
            Carrier::Socket(stream) => read_head(stream).await,
            Carrier::ProxyTls(stream) => read_secret_head(stream).await,
        };
        let head = head.map_err(broken)?;
        match status(&head) {
            Some(status) if status.is_success() => return Ok(()),
            Some(status) if status.is_informational() => {}
            status => return Err(Refusal::Proxy(status)),
        }
    }
}

/// A CONNECT (RFC 9110 9.3.6).
fn request(proxy: &UpstreamProxy, destination: &DestinationKey) -> Vec<u8> {
    let authority = format!("{}:{}", destination.host, destination.port.get());
    let head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    let mut request = head.into_bytes();
    for (name, value) in &proxy.headers {
        request.extend_from_slice(name.as_str().as_bytes());
        request.extend_from_slice(b": ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}

/// Reads the head of an answer, and nothing of what follows it. Ends early if it is too long.
async fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    while head.len() < MAX_HEAD {
        let before = head.len();
        let ahead = stream.peek(&mut chunk).await?;
        if ahead == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&chunk[..ahead]);
        let from = before.saturating_sub(END.len() - 1);
        let end = head[from..].windows(END.len()).position(|it| it == END);
        if let Some(end) = end {
            head.truncate(from + end + END.len());
        }
        stream.read_exact(&mut chunk[..head.len() - before]).await?;
        if end.is_some() {
            return Ok(head);
        }
    }
    Ok(Vec::new())
}

/// As [`read_head`], of a stream where nothing can be looked at before it is read: what was decrypted waits in memory, and
/// is taken from there byte by byte.
async fn read_secret_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while head.len() < MAX_HEAD {
        head.push(stream.read_u8().await?);
        if head.ends_with(END) {
            return Ok(head);
        }
    }
    Ok(Vec::new())
}

/// The status that an answer begins with; `None` if it is not HTTP/1.1.
fn status(head: &[u8]) -> Option<StatusCode> {
    let rest = head.strip_prefix(b"HTTP/1.")?;
    let [b'0' | b'1', b' ', first, second, third, b' ' | b'\r', ..] = rest else {
        return None;
    };
    StatusCode::from_bytes(&[*first, *second, *third]).ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use egret_config::name::{Host, Port};
    use http::{HeaderName, HeaderValue};
    use tokio::net::TcpListener;

    use super::*;

    fn proxy() -> UpstreamProxy {
        UpstreamProxy {
            host: "proxy.example".parse().unwrap(),
            port: Port::HTTP,
            is_service: false,
            tls: None,
            headers: vec![(
                HeaderName::from_static("proxy-authorization"),
                HeaderValue::from_static("Basic Zm9vOmJhcg=="),
            )],
        }
    }

    fn destination(host: &str) -> DestinationKey {
        DestinationKey {
            proxy: Some(Arc::new(proxy())),
            host: host.parse::<Host>().unwrap(),
            ..DestinationKey::example("a.example")
        }
    }

    /// What becomes of an answer, and what can be read after it.
    #[expect(clippy::disallowed_methods, reason = "there is no worker here")]
    async fn answered(answer: &'static [&[u8]]) -> (Result<(), Refusal>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 1024];
            let length = stream.read(&mut asked).await.unwrap();
            asked.truncate(length);
            for part in answer {
                stream.write_all(part).await.unwrap();
                tokio::task::yield_now().await;
            }
            asked
        });
        let mut carrier = Carrier::Socket(TcpStream::connect(address).await.unwrap());
        let outcome = ask(&mut carrier, &proxy(), &destination("[2001:db8::1]")).await;
        let asked = server.await.unwrap();
        assert_eq!(
            String::from_utf8(asked).unwrap(),
            "CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\
             proxy-authorization: Basic Zm9vOmJhcg==\r\n\r\n"
        );
        let mut rest = Vec::new();
        carrier.read_to_end(&mut rest).await.unwrap();
        (outcome, rest)
    }

    #[tokio::test]
    async fn nothing_that_follows_the_head_is_taken() {
        let mut sent = &b"HTTP/1.1 200 OK\r\nVia: a\r\n\r\nhello"[..];
        let head = read_secret_head(&mut sent).await.unwrap();
        assert_eq!(head, b"HTTP/1.1 200 OK\r\nVia: a\r\n\r\n");
        assert_eq!(sent, b"hello");
        let long = vec![b'a'; 2 * MAX_HEAD];
        assert_eq!(read_secret_head(&mut &*long).await.unwrap(), b"");
        assert!(read_secret_head(&mut &b"HTTP/1.1 200"[..]).await.is_err());
    }

    #[tokio::test]
    async fn what_follows_the_answer_is_left() {
        let cases: [&[&[u8]]; 3] = [
            &[b"HTTP/1.1 200 Connection established\r\n\r\nhello"],
            &[b"HTTP/1.0 200\r\nVia: a\r\n\r", b"\nhel", b"lo"],
            &[b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello"],
        ];
        for answer in cases {
            let (outcome, rest) = answered(answer).await;
            assert!(outcome.is_ok());
            assert_eq!(rest, b"hello");
        }
    }

    #[tokio::test]
    async fn a_proxy_may_refuse_or_be_none() {
        let cases: [(&[&[u8]], Option<u16>); 4] = [
            (
                &[b"HTTP/1.1 407 Authenticate\r\nProxy-Authenticate: Basic\r\n\r\n"],
                Some(407),
            ),
            (&[b"HTTP/1.1 503 \r\n\r\n"], Some(503)),
            (&[b"SSH-2.0-OpenSSH\r\n\r\n"], None),
            (&[&[b'a'; 20 * 1024]], None),
        ];
        for (answer, expected) in cases {
            match answered(answer).await.0 {
                Err(Refusal::Proxy(status)) => {
                    assert_eq!(status.map(|status| status.as_u16()), expected);
                }
                _ => panic!("{expected:?}"),
            }
        }
        let (outcome, _) = answered(&[b"HTTP/1.1 200"]).await;
        assert!(matches!(
            outcome,
            Err(Refusal::Connect(ConnectFailure::Terminated))
        ));
    }
}
