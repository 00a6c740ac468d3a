//! Frames of HTTP/2 (RFC 9113 4.1), for scripts that say what no library would.

use super::RawConnection;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type (RFC 9113 6).
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// The stream it is of, 0 is the connection.
    pub stream: u32,
    /// What it says.
    pub payload: Vec<u8>,
}

impl Frame {
    /// DATA.
    pub const DATA: u8 = 0;
    /// HEADERS.
    pub const HEADERS: u8 = 1;
    /// RST_STREAM.
    pub const RST_STREAM: u8 = 3;
    /// SETTINGS.
    pub const SETTINGS: u8 = 4;
    /// PING.
    pub const PING: u8 = 6;
    /// GOAWAY.
    pub const GOAWAY: u8 = 7;

    /// A frame without flags.
    #[must_use]
    pub fn new(kind: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            flags: 0,
            stream,
            payload: payload.into(),
        }
    }

    /// SETTINGS that are the default ones.
    #[must_use]
    pub fn settings() -> Self {
        Self::new(Self::SETTINGS, 0, [])
    }

    /// A GOAWAY without error: this stream was the last that was processed.
    #[must_use]
    pub fn go_away(last: u32) -> Self {
        let payload = [last.to_be_bytes(), [0; 4]].concat();
        Self::new(Self::GOAWAY, 0, payload)
    }

    /// A response that is a 200 and nothing else.
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
    /// Reads the client's preface (RFC 9113 3.4); `None` if the client closes before.
    pub fn read_preface(&mut self) -> Option<Vec<u8>> {
        self.read_exactly(24)
    }

    /// Reads a frame; `None` if the client closes before.
    pub fn read_frame(&mut self) -> Option<Frame> {
        let head = self.read_exactly(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream,
            payload: self.read_exactly(usize::try_from(length).ok()?)?,
        })
    }

    /// Reads through the next frame of a kind, and gives it; `None` if the client closes before.
    pub fn read_frame_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.read_frame()?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Sends a frame.
    pub fn send_frame(&mut self, frame: &Frame) {
        self.send(frame.encoded());
    }
}
