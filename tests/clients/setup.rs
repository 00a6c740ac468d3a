//! The servers that clients talk to: the built binary, a DNS server with names that only the gateway knows, and upstreams
//! with these names.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use egret_testkit::upstream::UpstreamTls;
use egret_testkit::{Ca, DnsServer, SharedPort, Upstream};
use serde_json::Value;
use tempfile::TempDir;

use super::configuration;
use super::form::{ProxyListener, RequestForm};
use super::outcome::ClientOutcome;
use super::process::{ChildProcess, OutputLines};

/// The address of the listeners, which no other test uses.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 78);
const ALLOWED: &str = "allowed.example";
const DENIED: &str = "denied.example";

/// The running gateway, and its DNS server, upstreams, ports and files.
pub(crate) struct TestSetup {
    plain: Upstream,
    secure: Upstream,
    dns: DnsServer,
    folder: TempDir,
    ports: [SharedPort; 4],
    egret: ChildProcess,
    _told: OutputLines,
}

/// A page of an upstream: the parts of its URL, and the expected response.
#[derive(Clone, Copy)]
pub(crate) struct TestOrigin {
    /// The part of the URL before the host.
    pub(crate) prefix: &'static str,
    pub(crate) port: u16,
    /// The part of the URL after the port.
    pub(crate) suffix: &'static str,
    pub(crate) status: u64,
    /// A string that the body contains.
    pub(crate) body: &'static str,
}

impl TestSetup {
    pub(crate) fn start() -> Self {
        let (dns, ca) = (DnsServer::start(), Ca::new());
        for name in [ALLOWED, DENIED] {
            dns.a(name, ["127.0.0.1"], 60);
        }
        let identity = ca.issue([ALLOWED, DENIED, &ADDRESS.to_string()]);
        let ports = [(); 4].map(|()| SharedPort::reserve([ADDRESS]));
        let plain = Upstream::start();
        let shown = ca.issue([ALLOWED, DENIED]);
        let secure = Upstream::start_tls(UpstreamTls::new(shown).speaking("http/1.1"));
        let folder = tempfile::tempdir().unwrap();
        let text = configuration::ProxyConfig {
            ports: ports.each_ref().map(SharedPort::port),
            passed_on_to: secure.port(),
            identity: &identity,
            dns: dns.addr(),
        }
        .text();
        for (name, text) in [
            ("ca.pem", ca.pem()),
            ("certificate.pem", identity.certificate_pem()),
            ("key.pem", identity.key_pem()),
            ("egret.yaml", text),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let (egret, told) = ChildProcess::start_heard(
            Command::new(env!("CARGO_BIN_EXE_egret"))
                .arg("serve")
                .arg(folder.path().join("egret.yaml"))
                .args(["--admin", "127.0.0.1:0", "--workers", "2"]),
        );
        while !told.next().contains("http://") {}
        Self {
            plain,
            secure,
            dns,
            folder,
            ports,
            egret,
            _told: told,
        }
    }

    /// The address of a listener.
    pub(crate) fn address(&self, listener: ProxyListener) -> SocketAddr {
        let at = match listener {
            ProxyListener::Clear => 0,
            ProxyListener::Secure => 1,
            ProxyListener::SecureHttp1 => 2,
            ProxyListener::Passthrough => 3,
        };
        SocketAddr::new(ADDRESS.into(), self.ports[at].port())
    }

    /// The URL of the gateway as a proxy, for the configuration of clients.
    pub(crate) fn proxy(&self, listener: ProxyListener) -> String {
        format!("{}://{}", listener.scheme(), self.address(listener))
    }

    /// A file: `ca.pem`, `certificate.pem` or `key.pem`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An echo page in clear.
    pub(crate) fn http(&self) -> TestOrigin {
        TestOrigin {
            prefix: "http://",
            port: self.plain.port(),
            suffix: "/hello",
            status: 200,
            body: r#""path": "/hello""#,
        }
    }

    /// An echo page over TLS.
    pub(crate) fn https(&self) -> TestOrigin {
        TestOrigin {
            prefix: "https://",
            port: self.secure.port(),
            ..self.http()
        }
    }

    /// Requests an allowed and a denied name, and checks the outcome at the client and the records of the access log.
    pub(crate) fn check(
        &self,
        form: RequestForm,
        origin: TestOrigin,
        ask: impl Fn(&str) -> ClientOutcome,
    ) {
        let seen = ask(&origin.at(ALLOWED));
        assert_eq!(
            (seen.status, seen.error.as_str()),
            (origin.status, ""),
            "{form:?}: {seen:?}"
        );
        assert!(seen.body.contains(origin.body), "{form:?}: {seen:?}");
        let record = self.record(form, origin, ALLOWED);
        assert_eq!(record["verdict"], "allow", "{record}");

        let refused = ask(&origin.at(DENIED));
        assert!(refused.is_refused(), "{form:?}: {refused:?}");
        let record = self.record(form, origin, DENIED);
        assert_eq!(record["reason"], "egress_policy", "{record}");
        assert_eq!(record["verdict"], "deny", "{record}");
        assert_eq!(record["policy"], "kgateway-system/names", "{record}");
        assert_eq!(record["rule"], "not-there", "{record}");
        assert_eq!(self.dns.queries_for(DENIED), 0);
    }

    /// The next record of the access log, which must be of this form, origin and host.
    fn record(&self, form: RequestForm, origin: TestOrigin, host: &str) -> Value {
        let record: Value = serde_json::from_str(&self.egret.next()).unwrap();
        assert_eq!(
            record["destination"],
            format!("{host}:{}", origin.port),
            "{record}"
        );
        assert_eq!(RequestForm::of(&record), form, "{record}");
        record
    }
}

impl TestOrigin {
    fn at(&self, host: &str) -> String {
        format!("{}{host}:{}{}", self.prefix, self.port, self.suffix)
    }
}
