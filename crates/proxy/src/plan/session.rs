//! Sessions whose requests go to the same address: the token that a client sends, and the one that it is given.
//!
//! A token names the address and host that the session began with, and when it ends. It is no secret and not signed: what it
//! names is only ever chosen from among the addresses that the backend has, and that policies permit. Pure: the time is an
//! argument.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use egret_config::name::{Host, Port};
use egret_config::snapshot::{SessionPersistence, SessionToken};
use http::header::{HeaderValue, SET_COOKIE};
use http::{HeaderMap, HeaderName};

use crate::message::cookie;

/// The longest token that is read.
const MAX_TOKEN: usize = 512;

/// Where the requests of a session go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionPlace {
    pub(crate) address: SocketAddr,
    /// The host of the backend, and its port.
    pub(crate) host: Host,
    pub(crate) port: Port,
}

/// A session that a client has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) place: SessionPlace,
    /// When it ends at the latest, in seconds of Unix time; `None` is never.
    ends: Option<i64>,
    /// When it ends without another request.
    idles: Option<i64>,
}

impl Session {
    /// The session that a request belongs to, if it has not ended.
    pub(crate) fn of(policy: &SessionPersistence, headers: &HeaderMap, now: i64) -> Option<Self> {
        let token = match &policy.token {
            SessionToken::Header(name) => headers.get(name)?.as_bytes(),
            SessionToken::Cookie { name, .. } => cookie::values(headers, name).next()?,
        };
        let session = Self::read(token)?;
        let is_over = |time: Option<i64>| time.is_some_and(|time| time <= now);
        (!is_over(session.ends) && !is_over(session.idles)).then_some(session)
    }

    fn read(token: &[u8]) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let mut parts = text.split(' ');
        let mut next = || parts.next();
        let time = |text: &str| text.parse().ok().map(|time| (time != 0).then_some(time));
        Some(Self {
            place: SessionPlace {
                address: next()?.parse().ok()?,
                host: next()?.parse().ok()?,
                port: Port::new(next()?.parse().ok()?)?,
            },
            ends: time(next()?)?,
            idles: time(next()?)?,
        })
    }

    fn token(&self) -> String {
        let SessionPlace {
            address,
            host,
            port,
        } = &self.place;
        let [ends, idles] = [self.ends, self.idles].map(Option::unwrap_or_default);
        URL_SAFE_NO_PAD.encode(format!("{address} {host} {} {ends} {idles}", port.get()))
    }

    /// The field of a response by which the client has its session from now on, which goes to `place`. `None` if the token that
    /// it has says so already.
    pub(crate) fn field(
        policy: &SessionPersistence,
        known: Option<&Self>,
        place: SessionPlace,
        now: i64,
    ) -> Option<(HeaderName, HeaderValue)> {
        let after = |time: Option<std::time::Duration>| {
            let seconds = i64::try_from(time?.as_secs().max(1)).ok()?;
            now.checked_add(seconds)
        };
        let known = known.filter(|known| known.place == place);
        let session = Self {
            place,
            // A session that goes on ends when it was to end.
            ends: known.map_or_else(|| after(policy.absolute_timeout), |known| known.ends),
            idles: after(policy.idle_timeout),
        };
        if known == Some(&session) {
            return None;
        }
        let token = session.token();
        match &policy.token {
            SessionToken::Header(name) => Some((name.clone(), HeaderValue::try_from(token).ok()?)),
            SessionToken::Cookie { name, is_permanent } => {
                let mut field = format!("{name}={token}");
                let ends = [session.ends, session.idles].into_iter().flatten().min();
                if let Some(ends) = ends.filter(|_| *is_permanent) {
                    field += &format!("; Max-Age={}", ends - now);
                }
                field += "; Path=/; HttpOnly";
                Some((SET_COOKIE, HeaderValue::try_from(field).ok()?))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn place(last: u8) -> SessionPlace {
        SessionPlace {
            address: SocketAddr::from(([192, 0, 2, last], 8080)),
            host: "shop.apps.svc.cluster.local".parse().unwrap(),
            port: Port::HTTP,
        }
    }

    fn policy(token: SessionToken, absolute: Option<u64>, idle: Option<u64>) -> SessionPersistence {
        SessionPersistence {
            token,
            absolute_timeout: absolute.map(Duration::from_secs),
            idle_timeout: idle.map(Duration::from_secs),
        }
    }

    fn header() -> SessionToken {
        SessionToken::Header(HeaderName::from_static("x-session"))
    }

    /// The headers of a request with this token, among others.
    fn with(token: &str) -> HeaderMap {
        let cookie = format!("a=b; sid={token}; c=d");
        let fields = [("x-session", token), ("cookie", &cookie)];
        let fields = fields.map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::try_from(value).unwrap(),
            )
        });
        fields.into_iter().collect()
    }

    fn token(
        policy: &SessionPersistence,
        known: Option<&Session>,
        at: SessionPlace,
        now: i64,
    ) -> Option<String> {
        let (_, value) = Session::field(policy, known, at, now)?;
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_session_is_known_by_its_token_until_it_ends() {
        for (absolute, idle, lasts) in [
            (None, None, None),
            (Some(60), None, Some(60)),
            (None, Some(10), Some(10)),
            (Some(60), Some(10), Some(10)),
            (Some(5), Some(10), Some(5)),
        ] {
            let policy = policy(header(), absolute, idle);
            let token = token(&policy, None, place(1), NOW).unwrap();
            let headers = with(&token);
            let known = |now| Session::of(&policy, &headers, now).map(|known| known.place);
            assert_eq!(known(NOW), Some(place(1)));
            let last = lasts.unwrap_or(1_000_000);
            assert_eq!(
                known(NOW + last - 1),
                Some(place(1)),
                "{absolute:?} {idle:?}"
            );
            assert_eq!(known(NOW + last).is_some(), lasts.is_none());
        }
    }

    #[test]
    fn a_client_is_told_only_what_is_new() {
        let plain = policy(header(), Some(60), None);
        let first = token(&plain, None, place(1), NOW).unwrap();
        let known = Session::of(&plain, &with(&first), NOW + 5).unwrap();
        assert_eq!(token(&plain, Some(&known), place(1), NOW + 5), None);
        // Another address, because the first one is gone, is another session.
        let moved = token(&plain, Some(&known), place(2), NOW + 5).unwrap();
        let moved = Session::of(&plain, &with(&moved), NOW + 64).unwrap();
        assert_eq!(moved.place, place(2));
        // Each request puts off the end of a session that may be idle, and not its last end.
        let idle = policy(header(), Some(60), Some(10));
        let first = token(&idle, None, place(1), NOW).unwrap();
        let known = Session::of(&idle, &with(&first), NOW + 9).unwrap();
        let next = token(&idle, Some(&known), place(1), NOW + 9).unwrap();
        let known = Session::of(&idle, &with(&next), NOW + 18).unwrap();
        assert_eq!((known.ends, known.idles), (Some(NOW + 60), Some(NOW + 19)));
    }

    #[test]
    fn cookies_say_how_long_they_are_kept() {
        let cookie = |is_permanent| SessionToken::Cookie {
            name: "sid".into(),
            is_permanent,
        };
        for (is_permanent, absolute, idle, expected) in [
            (true, Some(60), None, "; Max-Age=60; Path=/; HttpOnly"),
            (true, Some(60), Some(9), "; Max-Age=9; Path=/; HttpOnly"),
            (false, Some(60), None, "; Path=/; HttpOnly"),
        ] {
            let policy = policy(cookie(is_permanent), absolute, idle);
            let field = token(&policy, None, place(1), NOW).unwrap();
            let rest = field.strip_prefix("sid=").unwrap();
            let (value, attributes) = rest.split_at(rest.find(';').unwrap());
            assert_eq!(attributes, expected);
            let known = Session::of(&policy, &with(value), NOW).unwrap();
            assert_eq!(known.place, place(1));
        }
    }

    #[test]
    fn what_is_no_token_is_no_session() {
        let policy = policy(header(), None, None);
        let long = URL_SAFE_NO_PAD.encode("a".repeat(MAX_TOKEN));
        for text in [
            "",
            "x",
            "192.0.2.1:80",
            "192.0.2.1 a 80 0 0",
            "192.0.2.1:80 a 0 0 0",
            "192.0.2.1:80 a 80 x 0",
        ] {
            let token = URL_SAFE_NO_PAD.encode(text);
            assert_eq!(Session::of(&policy, &with(&token), NOW), None, "{text}");
        }
        assert_eq!(Session::of(&policy, &with(&long), NOW), None);
        assert_eq!(Session::of(&policy, &with("%%%"), NOW), None);
        assert_eq!(Session::of(&policy, &HeaderMap::new(), NOW), None);
    }
}
