//! HTTP/2 frames (RFC 9113, section 4.1), for scripts that send what no HTTP/2 library would.

use super::RawConnection;

/// One HTTP/2 frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http2Frame {
    /// The frame type (RFC 9113, section 6).
    pub kind: u8,
    /// The flags of the frame.
    pub flags: u8,
    /// The stream identifier; 0 is the connection.
    pub stream: u32,
    /// The payload, without the frame header.
    pub payload: Vec<u8>,
}

impl Http2Frame {
    /// The type of DATA frames.
    pub const DATA: u8 = 0;
    /// The type of HEADERS frames.
    pub const HEADERS: u8 = 1;
    /// The type of RST_STREAM frames.
    pub const RST_STREAM: u8 = 3;
    /// The type of SETTINGS frames.
    pub const SETTINGS: u8 = 4;
    /// The type of PING frames.
    pub const PING: u8 = 6;
    /// The type of GOAWAY frames.
    pub const GOAWAY: u8 = 7;

    /// Makes a frame without flags.
    #[must_use]
    pub fn new(kind: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            flags: 0,
            stream,
            payload: payload.into(),
        }
    }

    /// An empty SETTINGS frame, which keeps the default values.
    #[must_use]
    pub fn settings() -> Self {
        Self::new(Self::SETTINGS, 0, [])
    }

    /// A GOAWAY frame with NO_ERROR and `last` as the last processed stream.
    #[must_use]
    pub fn go_away(last: u32) -> Self {
        let payload = [last.to_be_bytes(), [0; 4]].concat();
        Self::new(Self::GOAWAY, 0, payload)
    }

    /// A HEADERS frame that is a whole response with the status 200.
    #[must_use]
    pub fn ok(stream: u32) -> Self {
        Self {
            // END_HEADERS and END_STREAM.
            flags: 0x4 | 0x1,
            // `:status: 200`, from the static table (RFC 7541 A).
            ..Self::new(Self::HEADERS, stream, [0x88])
        }
    }

    fn encoded(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).expect("a frame has a length of 24 bits");
        let mut bytes = length.to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

impl RawConnection {
    /// Reads the connection preface of the client (RFC 9113, section 3.4). `None` if the client closes the connection first.
    pub fn read_preface(&mut self) -> Option<Vec<u8>> {
        self.read_exactly(24)
    }

    /// Reads a frame. `None` if the client closes the connection first.
    pub fn read_frame(&mut self) -> Option<Http2Frame> {
        let head = self.read_exactly(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        Some(Http2Frame {
            kind: head[3],
            flags: head[4],
            stream,
            payload: self.read_exactly(usize::try_from(length).ok()?)?,
        })
    }

    /// Skips frames until one of this type, and returns it. `None` if the client closes the connection first.
    pub fn read_frame_of(&mut self, kind: u8) -> Option<Http2Frame> {
        loop {
            let frame = self.read_frame()?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Sends a frame.
    pub fn send_frame(&mut self, frame: &Http2Frame) {
        self.send(frame.encoded());
    }
}
