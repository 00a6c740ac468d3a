//! What clients meet: the built binary, names that only it knows, and servers behind those names.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;

use egret_testkit::gateway::{LOOPBACK, QUICKSTART, documents, resolver};
use egret_testkit::upstream::Tls;
use egret_testkit::{Ca, DnsServer, SharedPort, Upstream};
use serde_json::Value;
use tempfile::TempDir;

use super::outcome::Outcome;
use super::process::{Lines, Process};

/// An address that no other test listens on.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 78);
const ALLOWED: &str = "allowed.example";
const DENIED: &str = "denied.example";

/// Denies one name.
const NAMES: &str = "\
apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata: {name: names, namespace: kgateway-system}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  rules: [{name: not-there, action: Deny, hosts: [denied.example]}]
";

/// The proxy and all that is around it.
pub(crate) struct Lab {
    pub(crate) plain: Upstream,
    pub(crate) secure: Upstream,
    dns: DnsServer,
    address: SocketAddr,
    folder: TempDir,
    egret: Process,
    _told: Lines,
    _port: SharedPort,
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

/// In which form the proxy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A request that it forwards.
    Forward,
    /// A CONNECT.
    Tunnel,
}

impl Lab {
    pub(crate) fn start() -> Self {
        let (dns, ca) = (DnsServer::start(), Ca::new());
        for name in [ALLOWED, DENIED] {
            dns.a(name, ["127.0.0.1"], 60);
        }
        let folder = tempfile::tempdir().unwrap();
        let issued = ca.issue([ALLOWED, DENIED]);
        for (name, text) in [
            ("ca.pem", ca.pem()),
            ("certificate.pem", issued.certificate_pem()),
            ("key.pem", issued.key_pem()),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let port = SharedPort::reserve([ADDRESS]);
        let file = folder.path().join("egret.yaml");
        fs::write(&file, configuration(port.port(), dns.addr())).unwrap();
        let (egret, told) = Process::start_heard(
            Command::new(env!("CARGO_BIN_EXE_egret"))
                .args(["serve", file.to_str().unwrap()])
                .args(["--admin", "127.0.0.1:0", "--workers", "2"]),
        );
        while !told.next().contains("http://") {}
        Self {
            plain: Upstream::start(),
            secure: Upstream::start_tls(Tls::new(issued).speaking("http/1.1")),
            dns,
            address: SocketAddr::new(ADDRESS.into(), port.port()),
            folder,
            egret,
            _told: told,
            _port: port,
        }
    }

    /// Where the proxy is, as clients are told.
    pub(crate) fn proxy(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
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
    pub(crate) fn check(&self, form: Form, site: Site, ask: impl Fn(&str) -> Outcome) {
        let seen = ask(&site.at(ALLOWED));
        assert_eq!(
            (seen.status, seen.error.as_str()),
            (site.status, ""),
            "{seen:?}"
        );
        assert!(seen.body.contains(site.body), "{seen:?}");
        let record = self.record(form, site, ALLOWED);
        assert_eq!(record["verdict"], "allow", "{record}");

        let refused = ask(&site.at(DENIED));
        assert!(refused.is_refused(), "{refused:?}");
        let record = self.record(form, site, DENIED);
        assert_eq!(record["status"], 403, "{record}");
        assert_eq!(record["verdict"], "deny", "{record}");
        assert_eq!(record["policy"], "kgateway-system/names", "{record}");
        assert_eq!(record["rule"], "not-there", "{record}");
        assert_eq!(self.dns.queries_for(DENIED), 0);
    }

    /// The next line of the log, which has to be about this.
    fn record(&self, form: Form, site: Site, host: &str) -> Value {
        let record: Value = serde_json::from_str(&self.egret.next()).unwrap();
        let authority = format!("{host}:{}", site.port);
        assert_eq!(record["authority"], authority, "{record}");
        let is_tunnel = record["method"] == "CONNECT";
        assert_eq!(is_tunnel, form == Form::Tunnel, "{record}");
        record
    }
}

impl Site {
    fn at(&self, host: &str) -> String {
        format!("{}{host}:{}{}", self.before, self.port, self.after)
    }
}

fn configuration(port: u16, dns: SocketAddr) -> String {
    let here = format!("  addresses: [{{type: IPAddress, value: {ADDRESS}}}]\n  listeners:\n");
    let gateway = QUICKSTART
        .replace("  listeners:\n", &here)
        .replace("port: 8080", &format!("port: {port}"));
    documents(&[&gateway, LOOPBACK, NAMES, &resolver(dns, "")])
}
