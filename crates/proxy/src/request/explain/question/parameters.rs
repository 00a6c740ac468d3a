//! A question as parameters: those of `egret explain` and of `/explain` have the same names, and are read here.

use std::net::IpAddr;

use egret_config::policy::egress::CertificatePattern;
use http::header::{HeaderName, HeaderValue};

use super::{QuestionForm, QuestionUrl, RequestQuestion};

/// The names of the parameters, each with what it says.
pub const PARAMETERS: &[(&str, &str)] = &[
    ("url", "where the request wants to go"),
    ("via", "how it says so: host, absolute, connect or sni"),
    ("method", "its method"),
    ("header", "a header field, as name: value"),
    ("client", "the address of the client"),
    ("user", "the user that the client has proven to be"),
    (
        "certificate",
        "a name or the subject of the client's certificate",
    ),
    ("listener", "the only listener that is asked"),
    ("address", "an address of the host"),
];

impl QuestionForm {
    /// Each form with its name.
    pub const NAMES: [(&str, Self); 4] = [
        ("host", Self::Host),
        ("absolute", Self::Absolute),
        ("connect", Self::Connect),
        ("sni", Self::Sni),
    ];

    fn parse(text: &str) -> Result<Self, String> {
        let mut names = Self::NAMES.into_iter();
        let found = names.find(|(name, _)| *name == text);
        found
            .map(|(_, form)| form)
            .ok_or_else(|| "host, absolute, connect and sni are the forms of a request".to_owned())
    }
}

impl RequestQuestion {
    /// Reads a question from parameters. `url` is required; `header` and `address` may come more than once.
    ///
    /// # Errors
    /// The parameter that is wrong, and what it has to be, in words.
    pub fn from_parameters<'p>(
        parameters: impl IntoIterator<Item = (&'p str, &'p str)> + Clone,
    ) -> Result<Self, String> {
        let urls = parameters
            .clone()
            .into_iter()
            .filter(|(name, _)| *name == "url");
        let mut urls = urls.map(|(_, url)| url);
        let (Some(url), None) = (urls.next(), urls.next()) else {
            return Err("url: one is needed: url=http://host/path".to_owned());
        };
        let url = QuestionUrl::parse(url).map_err(|error| format!("url: {url}: {error}"))?;
        let mut question = Self::new(url.usual_form(), url);
        let mut seen = Vec::new();
        for (name, value) in parameters {
            let is_list = matches!(name, "header" | "address");
            if !is_list && seen.contains(&name) {
                return Err(format!("{name}: there can be only one"));
            }
            seen.push(name);
            question
                .set(name, value)
                .map_err(|error| format!("{name}: {value}: {error}"))?;
        }
        Ok(question)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "url" => {}
            "via" => self.form = QuestionForm::parse(value)?,
            "method" => {
                self.method = value.parse().map_err(|_| "not a method".to_owned())?;
            }
            "header" => {
                let (name, value) = header(value)?;
                self.headers.append(name, value);
            }
            "client" => self.client = address(value)?,
            "user" => self.user = Some(value.into()),
            "certificate" => self.certificate = Some(CertificatePattern::parse(value)?),
            "listener" => self.listener = Some(value.to_owned()),
            "address" => self.addresses.push(address(value)?),
            _ => {
                let names: Vec<_> = PARAMETERS.iter().map(|(name, _)| *name).collect();
                return Err(format!("no such parameter; there are {}", names.join(", ")));
            }
        }
        Ok(())
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || "write it as name: value".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = name.trim().parse().map_err(|_| wrong())?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
    Ok((name, value))
}

fn address(text: &str) -> Result<IpAddr, String> {
    let text = text.trim_start_matches('[').trim_end_matches(']');
    text.parse().map_err(|_| "not an IP address".to_owned())
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn read(parameters: &[(&str, &str)]) -> Result<RequestQuestion, String> {
        RequestQuestion::from_parameters(parameters.iter().copied())
    }

    #[test]
    fn parameters_say_all_of_a_request() {
        let question = read(&[
            ("url", "https://a.example/x"),
            ("via", "absolute"),
            ("method", "POST"),
            ("header", "x-team: one"),
            ("header", "X-Team:two"),
            ("client", "10.0.0.1"),
            ("user", "ci-7"),
            ("certificate", "CN=api"),
            ("listener", "infra/http/web"),
            ("address", "192.0.2.1"),
            ("address", "[2001:db8::1]"),
        ])
        .unwrap();
        assert_eq!(question.form, QuestionForm::Absolute);
        assert_eq!(question.method, Method::POST);
        assert_eq!(question.headers.get_all("x-team").iter().count(), 2);
        assert_eq!(question.client.to_string(), "10.0.0.1");
        assert_eq!(question.user.as_deref(), Some("ci-7"));
        assert_eq!(question.listener.as_deref(), Some("infra/http/web"));
        assert_eq!(question.addresses.len(), 2);
        assert!(question.certificate.is_some());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (parameters, expected) in [
            (&[][..], "url: one is needed"),
            (&[("url", "ftp://x/")], "url: ftp://x/: the scheme"),
            (&[("url", "x"), ("url", "y")], "url: one is needed"),
            (
                &[("url", "x"), ("via", "socks")],
                "via: socks: host, absolute",
            ),
            (
                &[("url", "x"), ("user", "a"), ("user", "b")],
                "user: there can",
            ),
            (
                &[("url", "x"), ("header", "none")],
                "header: none: write it",
            ),
            (
                &[("url", "x"), ("method", "G T")],
                "method: G T: not a method",
            ),
            (
                &[("url", "x"), ("client", "here")],
                "client: here: not an IP",
            ),
            (&[("url", "x"), ("host", "y")], "host: y: no such parameter"),
        ] {
            let error = read(parameters).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn every_parameter_is_known() {
        for (name, _) in PARAMETERS {
            let error = read(&[("url", "x"), (name, "")]).err();
            let is_known = error.is_none_or(|error| !error.contains("no such parameter"));
            assert!(is_known, "{name}");
        }
    }
}
