//! Fake services that speak gRPC with streams of messages each way.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use super::framed;
use crate::port;
use crate::protobuf::Written;
use crate::server_thread::ServerThread;
use crate::watched::WatchedValue;

/// A service whose calls are conversations. Dropping it ends them.
#[derive(Debug)]
pub struct StreamService {
    addr: SocketAddr,
    heard: Arc<WatchedValue<HeardCalls>>,
    _background: ServerThread,
}

/// What was heard.
#[derive(Debug, Default)]
struct HeardCalls {
    connections: usize,
    /// The messages of each call, in order of beginning.
    calls: Vec<Vec<Vec<u8>>>,
    /// How many calls came to their end, which is the client's.
    ended: usize,
}

/// What a service does after a message.
#[derive(Clone, Debug)]
pub enum StreamStep {
    /// It says something.
    Say(Written),
    /// It sends these bytes, which may be no message.
    Send(Bytes),
    /// It ends the call with this status of gRPC.
    End(u32),
    /// It breaks the call off.
    Reset,
}

/// A message that a service hears.
#[derive(Clone, Copy, Debug)]
pub struct StreamMessage<'a> {
    /// The number of its call, from 0 on.
    pub call: usize,
    /// Its own number in the call, from 0 on.
    pub nth: usize,
    /// The message.
    pub bytes: &'a [u8],
}

type Script = Arc<dyn Fn(StreamMessage<'_>) -> Vec<StreamStep> + Send + Sync>;

impl StreamService {
    /// Starts a service that does after each message what `script` says.
    #[must_use]
    pub fn start(
        script: impl Fn(StreamMessage<'_>) -> Vec<StreamStep> + Send + Sync + 'static,
    ) -> Self {
        Self::start_on_port(port::LOOPBACK, 0, script)
    }

    /// As [`Self::start`], on a given address and port.
    ///
    /// # Panics
    /// If the port is in use.
    #[must_use]
    pub fn start_on_port(
        ip: impl Into<IpAddr>,
        port: u16,
        script: impl Fn(StreamMessage<'_>) -> Vec<StreamStep> + Send + Sync + 'static,
    ) -> Self {
        let listener = port::listen(ip.into(), port);
        let addr = listener.local_addr().expect("a listener has an address");
        let heard = Arc::new(WatchedValue::new(HeardCalls::default()));
        let theirs = Arc::clone(&heard);
        let background = ServerThread::start("stream service", move |tasks| async move {
            let listener = TcpListener::from_std(listener).expect("a listener of the runtime");
            let script: Script = Arc::new(script);
            while let Ok((stream, _)) = listener.accept().await {
                theirs.update(|heard| heard.connections += 1);
                let served = serve(
                    stream,
                    Arc::clone(&script),
                    Arc::clone(&theirs),
                    tasks.clone(),
                );
                tasks.spawn(served);
            }
        });
        Self {
            addr,
            heard,
            _background: background,
        }
    }

    /// The address of the service.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The messages of each call so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Vec<Vec<u8>>> {
        self.heard.read(|heard| heard.calls.clone())
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.heard.read(|heard| heard.connections)
    }

    /// Blocks until so many messages were heard, in all calls.
    ///
    /// # Panics
    /// If they do not come within the deadline.
    pub fn wait_for_messages(&self, count: usize) {
        let number = |heard: &HeardCalls| heard.calls.iter().map(Vec::len).sum::<usize>();
        self.heard.wait(
            |heard| number(heard) >= count,
            |heard| format!("{count} messages; there were {}", number(heard)),
        );
    }

    /// Blocks until the client has ended so many calls.
    ///
    /// # Panics
    /// If it does not within the deadline.
    pub fn wait_for_ended(&self, count: usize) {
        self.heard.wait(
            |heard| heard.ended >= count,
            |heard| format!("{count} ended calls; there were {}", heard.ended),
        );
    }
}

async fn serve(
    stream: TcpStream,
    script: Script,
    heard: Arc<WatchedValue<HeardCalls>>,
    tasks: Handle,
) {
    let _ = stream.set_nodelay(true);
    let Ok(mut connection) = server::handshake(stream).await else {
        return;
    };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (script, heard) = (Arc::clone(&script), Arc::clone(&heard));
        tasks.spawn(async move {
            // How a call ends is checked at the other side.
            let _ = call(request, respond, &script, &heard).await;
        });
    }
}

/// A call, until it ends.
async fn call(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    script: &Script,
    heard: &WatchedValue<HeardCalls>,
) -> Result<(), h2::Error> {
    let number = heard.update(|heard| {
        heard.calls.push(Vec::new());
        heard.calls.len() - 1
    });
    let head = Response::builder().header("content-type", "application/grpc");
    let mut sends = respond.send_response(head.body(()).expect("a head"), false)?;
    let mut body = request.into_body();
    let mut read = BytesMut::new();
    let mut nth = 0;
    while let Some(data) = body.data().await.transpose()? {
        body.flow_control().release_capacity(data.len())?;
        read.extend_from_slice(&data);
        while let Some(message) = next(&mut read) {
            heard.update(|heard| heard.calls[number].push(message.to_vec()));
            let steps = script(StreamMessage {
                call: number,
                nth,
                bytes: &message,
            });
            nth += 1;
            for step in steps {
                if !take(step, &mut sends)? {
                    return Ok(());
                }
            }
        }
    }
    heard.update(|heard| heard.ended += 1);
    take(StreamStep::End(0), &mut sends).map(drop)
}

/// Does a step. False if it is the last.
fn take(step: StreamStep, sends: &mut SendStream<Bytes>) -> Result<bool, h2::Error> {
    match step {
        StreamStep::Say(message) => sends.send_data(framed(&message.into_bytes()), false)?,
        StreamStep::Send(bytes) => sends.send_data(bytes, false)?,
        StreamStep::End(status) => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", status.into());
            sends.send_trailers(trailers)?;
            return Ok(false);
        }
        StreamStep::Reset => {
            sends.send_reset(Reason::INTERNAL_ERROR);
            return Ok(false);
        }
    }
    Ok(true)
}

/// The next whole message of what was read.
fn next(read: &mut BytesMut) -> Option<Bytes> {
    let length: [u8; 4] = read.get(1..5)?.try_into().expect("four bytes");
    let end = 5 + usize::try_from(u32::from_be_bytes(length)).expect("a length");
    if read.len() < end {
        return None;
    }
    Some(read.split_to(end).freeze().slice(5..))
}
