//! What clients meet: the built binary, names that only it knows, and servers behind those names.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use egret_testkit::upstream::Tls;
use egret_testkit::{Ca, DnsServer, SharedPort, Upstream};
use serde_json::Value;
use tempfile::TempDir;

use super::configuration;
use super::outcome::Outcome;
use super::process::{Lines, Process};
use super::way::{Listener, Way};

/// An address that no other test listens on.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 78);
const ALLOWED: &str = "allowed.example";
const DENIED: &str = "denied.example";

/// The proxy and all that is around it.
pub(crate) struct Lab {
    plain: Upstream,
    secure: Upstream,
    dns: DnsServer,
    folder: TempDir,
    ports: [SharedPort; 4],
    egret: Process,
    _told: Lines,
}

/// What is asked for, and what comes.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    /// What stands before the host.
    pub(crate) before: &'static str,
    pub(crate) port: u16,
    /// What stands behind the port.
    pub(crate) after: &'static str,
    pub(crate) status: u64,
    /// A part of the body.
    pub(crate) body: &'static str,
}

impl Lab {
    pub(crate) fn start() -> Self {
        let (dns, ca) = (DnsServer::start(), Ca::new());
        for name in [ALLOWED, DENIED] {
            dns.a(name, ["127.0.0.1"], 60);
        }
        let identity = ca.issue([ALLOWED, DENIED, &ADDRESS.to_string()]);
        let ports = [(); 4].map(|()| SharedPort::reserve([ADDRESS]));
        let plain = Upstream::start();
        let shown = ca.issue([ALLOWED, DENIED]);
        let secure = Upstream::start_tls(Tls::new(shown).speaking("http/1.1"));
        let folder = tempfile::tempdir().unwrap();
        let text = configuration::Served {
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
        let (egret, told) = Process::start_heard(
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

    /// Where a listener is.
    pub(crate) fn address(&self, listener: Listener) -> SocketAddr {
        let at = match listener {
            Listener::Clear => 0,
            Listener::Secure => 1,
            Listener::SecureHttp1 => 2,
            Listener::Passthrough => 3,
        };
        SocketAddr::new(ADDRESS.into(), self.ports[at].port())
    }

    /// The proxy, as clients are told of it.
    pub(crate) fn proxy(&self, listener: Listener) -> String {
        format!("{}://{}", listener.scheme(), self.address(listener))
    }

    /// A file: `ca.pem`, `certificate.pem` or `key.pem`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An echo, in clear.
    pub(crate) fn http(&self) -> Site {
        Site {
            before: "http://",
            port: self.plain.port(),
            after: "/hello",
            status: 200,
            body: r#""path": "/hello""#,
        }
    }

    /// An echo, over TLS.
    pub(crate) fn https(&self) -> Site {
        Site {
            before: "https://",
            port: self.secure.port(),
            ..self.http()
        }
    }

    /// Asks for what is allowed and for what is not, and looks at what the client saw and what the log tells.
    pub(crate) fn check(&self, way: Way, site: Site, ask: impl Fn(&str) -> Outcome) {
        let seen = ask(&site.at(ALLOWED));
        assert_eq!(
            (seen.status, seen.error.as_str()),
            (site.status, ""),
            "{way:?}: {seen:?}"
        );
        assert!(seen.body.contains(site.body), "{way:?}: {seen:?}");
        let record = self.record(way, site, ALLOWED);
        assert_eq!(record["verdict"], "allow", "{record}");

        let refused = ask(&site.at(DENIED));
        assert!(refused.is_refused(), "{way:?}: {refused:?}");
        let record = self.record(way, site, DENIED);
        assert_eq!(record["reason"], "egress_policy", "{record}");
        assert_eq!(record["verdict"], "deny", "{record}");
        assert_eq!(record["policy"], "kgateway-system/names", "{record}");
        assert_eq!(record["rule"], "not-there", "{record}");
        assert_eq!(self.dns.queries_for(DENIED), 0);
    }

    /// The next line of the log, which has to be about this.
    fn record(&self, way: Way, site: Site, host: &str) -> Value {
        let record: Value = serde_json::from_str(&self.egret.next()).unwrap();
        assert_eq!(
            record["destination"],
            format!("{host}:{}", site.port),
            "{record}"
        );
        assert_eq!(Way::of(&record), way, "{record}");
        record
    }
}

impl Site {
    fn at(&self, host: &str) -> String {
        format!("{}{host}:{}{}", self.before, self.port, self.after)
    }
}
