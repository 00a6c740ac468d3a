//! Targets with characters that a URI must not have as they are, and that clients send nevertheless (RFC 3986 2): they
//! are percent-encoded, which is the one thing that they can mean. Pure.

use std::borrow::Cow;

/// Percent-encodes what the parser of URIs refuses in the path or query of a request line: `<`, `>`, a backtick, and `"` in
/// a query. A line that is not a request line, or whose target has another form, stays as it is.
pub(crate) fn encoded(line: &[u8]) -> Cow<'_, [u8]> {
    let is_odd = |found: bool, byte: &u8| found | matches!(byte, b'<' | b'>' | b'`' | b'"');
    if !line.iter().fold(false, is_odd) {
        return Cow::Borrowed(line);
    }
    match path_of(line) {
        Some((from, to)) => {
            let path = encode(&line[from..to]);
            Cow::Owned([&line[..from], &path, &line[to..]].concat())
        }
        None => Cow::Borrowed(line),
    }
}

/// Where the path and query of a request line begin and end.
fn path_of(line: &[u8]) -> Option<(usize, usize)> {
    let method = line.iter().position(|byte| *byte == b' ')?;
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_|~".contains(byte);
    let text = line.strip_suffix(b"\n")?;
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let version = text.len().checked_sub(" HTTP/1.1".len())?;
    let begin = method + 1;
    let is_request = line[..method].iter().all(is_token)
        && text[version..].starts_with(b" HTTP/1.")
        && begin < version;
    let target = text.get(begin..version).filter(|_| is_request)?;
    if target.contains(&b' ') {
        return None;
    }
    if target[0] == b'/' {
        return Some((begin, version));
    }
    let authority = target.windows(3).position(|window| window == b"://")? + 3;
    let path = target[authority..]
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))?;
    Some((begin + authority + path, version))
}

fn encode(path: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(path.len() + 16);
    let mut in_query = false;
    for byte in path {
        in_query |= *byte == b'?';
        match byte {
            b'<' => encoded.extend(b"%3C"),
            b'>' => encoded.extend(b"%3E"),
            b'`' if !in_query => encoded.extend(b"%60"),
            b'"' if in_query => encoded.extend(b"%22"),
            byte => encoded.push(*byte),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_one_meaning_is_encoded_and_all_else_left_alone() {
        for (line, expected) in [
            (
                "GET /a?q=\"<b>\" HTTP/1.1\r\n",
                "GET /a?q=%22%3Cb%3E%22 HTTP/1.1\r\n",
            ),
            (
                "GET /<a>`\"?`\" HTTP/1.0\n",
                "GET /%3Ca%3E%60\"?`%22 HTTP/1.0\n",
            ),
            (
                "GET http://a.example/<a> HTTP/1.1\r\n",
                "GET http://a.example/%3Ca%3E HTTP/1.1\r\n",
            ),
            (
                "GET http://a.example?<a> HTTP/1.1\r\n",
                "GET http://a.example?%3Ca%3E HTTP/1.1\r\n",
            ),
        ] {
            assert_eq!(encoded(line.as_bytes()), expected.as_bytes(), "{line}");
        }
        for line in [
            "GET /a?b=c HTTP/1.1\r\n",
            "GET http://<a>/ HTTP/1.1\r\n",
            "GET http://<a> HTTP/1.1\r\n",
            "CONNECT <a>:443 HTTP/1.1\r\n",
            "GET <a> HTTP/1.1\r\n",
            "GET /<a> b HTTP/1.1\r\n",
            "GET /<a>\r\n",
            "GET /<a> HTTP/2.0\r\n",
            "GET  HTTP/1.1<\r\n",
            "Referer: http://a.example/<a> HTTP/1.1\r\n",
            "< HTTP/1.1\n",
            "<",
            "",
        ] {
            assert_eq!(encoded(line.as_bytes()), line.as_bytes(), "{line}");
        }
    }
}
