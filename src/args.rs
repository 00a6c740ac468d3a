//! The command line. Every flag can also be given as an environment variable, `EGRET_<FLAG>`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{BoolishValueParser, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use egret_config::compile::{CompileOptions, FileAccess, GatewayPlacement};
use egret_config::metrics_push::{EndpointError, MetricsCollector};
use egret_config::resources::{Kind, ObjectRef};
use egret_proxy::{QuestionForm, TracePropagation};
use tracing::level_filters::LevelFilter;

use crate::clock;
use crate::console::LogFormat;
use crate::learn::LearnDetail;
use crate::policy::PolicyTarget;

mod hints;

pub(crate) use hints::hinted;

/// The version, and the commit that it is built from.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("EGRET_BUILT_FROM"),
    ")"
);

/// With what it is built of.
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("EGRET_BUILT_FROM"),
    ")\nHTTP/1.1, HTTP/2; TLS by rustls with aws-lc-rs; DNS over UDP, TCP, TLS and HTTPS; Gateway API 1.7, kgateway.dev/v1alpha1, \
     egret.dev/v1alpha1"
);

const EXAMPLES: &str = "\
Examples:
  egret init edge --allow api.example.com      write a folder to begin with
  egret serve edge                             serve it
  egret explain edge --url https://example.org say what would become of a request
  egret check edge                             say what is wrong with it
  egret learn access.log > learned.yaml        make a policy of what was served";

const COMPLETIONS: &str = "\
Examples:
  egret completions bash > /etc/bash_completion.d/egret
  egret completions zsh > \"${fpath[1]}/_egret\"
  egret completions fish > ~/.config/fish/completions/egret.fish";

/// An egress gateway: decides where workloads may connect, resolves names, forwards requests, and logs what happened.
#[derive(Debug, Parser)]
#[command(name = "egret", version = VERSION, long_version = LONG_VERSION, about, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: CliCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CliCommand {
    /// Serve every Gateway found in the files and folders, and apply changes of the files
    Serve(ServeArgs),
    /// Serve one Gateway of a cluster, and apply changes of the objects that it depends on
    Proxy(ProxyArgs),
    /// In a cluster: make what Gateways become, and write the statuses of all objects
    Controller(ControllerArgs),
    /// Show what a running gateway does, live in the terminal: what its admin page shows
    Top(TopArgs),
    /// Write a folder to begin with: a Gateway for this machine that lets nothing out but what is named
    Init(InitArgs),
    /// Compile the files and folders, and print a report of what would be served; exit 1 if any object is not accepted
    Check(CheckArgs),
    /// Say what would become of a request, and which policy decides; exit 1 if it would be refused. Nothing is sent
    Explain(ExplainArgs),
    /// Print the smallest EgressPolicy that allows what an access log says was served
    Learn(LearnArgs),
    /// Print the EgressPolicy that the access rules of another proxy are; exit 1 if they cannot be turned as a whole
    Import(ImportArgs),
    /// List the requests of an access log that the configuration would decide differently; exit 1 if there are any
    Replay(ReplayArgs),
    /// Print the completions for a shell
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write the pages of all commands into a folder
    #[command(
        after_help = "Examples:\n  egret man | man -l -\n  egret man /usr/local/share/man/man1"
    )]
    Man {
        /// The folder
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Print the CustomResourceDefinitions of Egret, for `kubectl apply --server-side -f -`
    Crds(CrdsArgs),
}

impl CliCommand {
    pub(crate) fn log_format(&self) -> LogFormat {
        match self {
            Self::Serve(args) => args.sources.meaning.log_format,
            Self::Check(args) => args.sources.meaning.log_format,
            Self::Explain(args) => args.sources.meaning.log_format,
            Self::Replay(args) => args.sources.meaning.log_format,
            Self::Proxy(args) => args.meaning.log_format,
            Self::Controller(args) => args.log_format,
            Self::Init(_)
            | Self::Top(_)
            | Self::Learn(_)
            | Self::Import(_)
            | Self::Completions { .. }
            | Self::Man { .. }
            | Self::Crds(_) => LogFormat::Text,
        }
    }
}

/// The configuration that `serve` and `check` read, what decides its meaning, and how it is told.
#[derive(Debug, Args)]
pub(crate) struct ConfigSources {
    /// YAML or JSON files, or folders of such files; commands that read once, such as `check`, read stdin as `-`
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) meaning: ConfigMeaning,
}

/// Which Gateways are served, and how strictly.
#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// The controllerName of the GatewayClasses to serve
    #[arg(long, env = "EGRET_CONTROLLER_NAME", default_value = egret_config::compile::CONTROLLER_NAME)]
    pub(crate) controller_name: String,
    /// Refuse every request to a listener that has no EgressPolicy on it or on its Gateway
    #[arg(long, env = "EGRET_REQUIRE_EGRESS_POLICY", value_parser = BoolishValueParser::new())]
    pub(crate) require_egress_policy: bool,
}

/// The API server of a cluster.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    /// File that tells where the API server is and how to be known there [default: what Kubernetes gives to a pod]
    #[arg(long, env = "EGRET_KUBECONFIG", value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// What decides the meaning of a configuration, wherever it comes from.
#[derive(Debug, Args)]
pub(crate) struct ConfigMeaning {
    #[command(flatten)]
    pub(crate) gateways: GatewayArgs,
    /// Address of the admin server: health, metrics, report. Without a host, or with `localhost`, it is 127.0.0.1
    #[arg(
        long,
        env = "EGRET_ADMIN",
        default_value = "127.0.0.1:19000",
        value_parser = admin_address,
        value_name = "ADDRESS"
    )]
    pub(crate) admin: SocketAddr,
    /// Format of the lines on stderr
    #[arg(
        long,
        env = "EGRET_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub(crate) log_format: LogFormat,
}

impl ConfigMeaning {
    /// The options of a compilation that begins now.
    pub(crate) fn compile_options(
        &self,
        placement: GatewayPlacement,
        probes: Option<SocketAddr>,
    ) -> CompileOptions {
        CompileOptions {
            controller_name: self.gateways.controller_name.clone(),
            placement,
            reserved: std::iter::once(self.admin).chain(probes).collect(),
            require_egress_policy: self.gateways.require_egress_policy,
            now: Some(clock::unix_time()),
            files: FileAccess::Here,
        }
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  egret serve /etc/egret --state-dir /var/lib/egret >> access.log"
)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) sources: ConfigSources,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  egret proxy --gateway egress/http --kubeconfig ~/.kube/config")]
pub(crate) struct ProxyArgs {
    /// The Gateway to serve
    #[arg(long, env = "EGRET_GATEWAY", value_parser = gateway, value_name = "NAMESPACE/NAME")]
    pub(crate) gateway: ObjectRef,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) meaning: ConfigMeaning,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// How the process serves, wherever its configuration comes from.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Address of a server for /healthz, /readyz and /metrics alone, which asks for no token [default: none]
    #[arg(long, env = "EGRET_PROBE_ADDRESS", value_parser = admin_address, value_name = "ADDRESS")]
    pub(crate) probe_address: Option<SocketAddr>,
    /// File with the token that the admin server asks for, which an address other than loopback needs; the variable
    /// EGRET_ADMIN_TOKEN can hold the token itself
    #[arg(long, value_name = "FILE")]
    pub(crate) admin_token: Option<PathBuf>,
    /// Number of worker threads [default: one for each core]
    #[arg(long, env = "EGRET_WORKERS", value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "N")]
    pub(crate) workers: Option<u16>,
    /// Limit of client connections of each listener; 0 is no limit [default: three eighths of the limit of open files]
    #[arg(long, env = "EGRET_MAX_CONNECTIONS", value_name = "N")]
    pub(crate) max_connections: Option<usize>,
    /// How long requests may wait for their turn all the time before some are refused; 0s is for ever
    #[arg(long, env = "EGRET_MAX_QUEUE_TIME", default_value = "10ms", value_parser = duration, value_name = "DURATION")]
    pub(crate) max_queue_time: Duration,
    /// Folder in which the DNS caches are saved across restarts [default: not saved]
    #[arg(long, env = "EGRET_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// File that the access log is appended to, and that SIGHUP opens anew [default: stdout]
    #[arg(long, env = "EGRET_ACCESS_LOG_FILE", value_name = "FILE")]
    pub(crate) access_log_file: Option<PathBuf>,
    /// The most destinations that metrics name, by traffic; the others are counted by their domain, and the rest as `other`
    #[arg(long, env = "EGRET_TOP_DESTINATIONS", default_value = "100", value_parser = clap::value_parser!(u16).range(..=10_000), value_name = "N")]
    pub(crate) top_destinations: u16,
    /// How traces are told from one process to the next where listeners trace requests: a list of tracecontext, b3 and b3multi
    #[arg(
        long,
        env = "EGRET_TRACE_PROPAGATORS",
        default_value = "tracecontext",
        value_name = "LIST"
    )]
    pub(crate) trace_propagators: TracePropagation,
    /// Collector of OpenTelemetry that metrics are pushed to: grpc://HOST:4317, or http://HOST:4318 for OTLP over HTTP; grpcs
    /// and https speak TLS [default: none, metrics are only scraped]
    #[arg(long, env = "EGRET_OTLP_METRICS_ENDPOINT", value_parser = metrics_collector, value_name = "URL")]
    pub(crate) otlp_metrics_endpoint: Option<MetricsCollector>,
    /// File with header fields for that collector, such as Authorization: Bearer TOKEN, a line for each; it is read again before
    /// each push; the variables OTEL_EXPORTER_OTLP_METRICS_HEADERS and OTEL_EXPORTER_OTLP_HEADERS can hold them too
    #[arg(long, value_name = "FILE", requires = "otlp_metrics_endpoint")]
    pub(crate) otlp_metrics_headers: Option<PathBuf>,
    /// Time between two pushes of metrics
    #[arg(long, env = "EGRET_OTLP_METRICS_INTERVAL", default_value = "60s", value_parser = push_interval, value_name = "DURATION")]
    pub(crate) otlp_metrics_interval: Duration,
    /// Time limit for requests in progress after SIGTERM or SIGINT
    #[arg(long, env = "EGRET_DRAIN_TIMEOUT", default_value = "30s", value_parser = duration, value_name = "DURATION")]
    pub(crate) drain_timeout: Duration,
    /// Time after SIGTERM or SIGINT during which /readyz fails and new connections are still accepted
    #[arg(long, env = "EGRET_SHUTDOWN_DELAY", default_value = "0s", value_parser = duration, value_name = "DURATION")]
    pub(crate) shutdown_delay: Duration,
    /// Log level on stderr
    #[arg(
        long,
        env = "EGRET_LOG_LEVEL",
        default_value = "info",
        value_parser = log_level(),
        ignore_case = true,
        value_name = "LEVEL"
    )]
    pub(crate) log_level: LevelFilter,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  egret check /etc/egret policies/new.yaml -o json\n  helm template edge | egret check -"
)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) sources: ConfigSources,
    /// Format of the report
    #[arg(short, long, default_value = "table", value_name = "FORMAT")]
    pub(crate) output: ReportFormat,
    /// Show every condition in the table, and not only those that are not fine
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  egret init edge --allow api.example.com '*.example.org'")]
pub(crate) struct InitArgs {
    /// The folder, which is created [default: egret]
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
    /// Hosts that may be reached: names, `*.` and a name for all below it, addresses
    #[arg(long, num_args = 1.., value_name = "HOST")]
    pub(crate) allow: Vec<String>,
    /// Port of the listener
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: u16,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  egret top --admin 127.0.0.1:19000 --view refusals\n\nKeys: q ends it, 1 to 5 and Tab choose the view, / searches, s sorts, Enter tells more, p holds it still."
)]
pub(crate) struct TopArgs {
    /// Admin address of the gateway. Without a host, or with `localhost`, it is 127.0.0.1
    #[arg(
        long,
        env = "EGRET_ADMIN",
        default_value = "127.0.0.1:19000",
        value_parser = admin_address,
        value_name = "ADDRESS"
    )]
    pub(crate) admin: SocketAddr,
    /// File with the token of the admin server; the variable EGRET_ADMIN_TOKEN can hold the token itself
    #[arg(long, value_name = "FILE")]
    pub(crate) admin_token: Option<PathBuf>,
    /// The view to begin with
    #[arg(long, default_value = "overview", value_name = "VIEW")]
    pub(crate) view: TopView,
    /// Time between two looks at the gateway, at least 100ms
    #[arg(long, default_value = "2s", value_parser = look_interval, value_name = "DURATION")]
    pub(crate) interval: Duration,
    /// Print the view once as text, and end; so it is too if stdout is no terminal
    #[arg(long)]
    pub(crate) once: bool,
}

/// A view of `egret top`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TopView {
    /// Traffic, latency by phase, DNS, configuration
    Overview,
    /// Who is talked to
    Destinations,
    /// What was refused, by which rule, and what would allow it
    Refusals,
    /// The connections of clients that are open
    Connections,
    /// The tunnels that are open
    Tunnels,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  egret explain /etc/egret --url https://api.example.com/ --user ci-7 --address 203.0.113.7"
)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) sources: ConfigSources,
    /// Where the request wants to go; without a scheme it is http
    #[arg(long)]
    url: String,
    /// How the request says so [default: host for http, connect for https]
    #[arg(long, value_parser = form(), ignore_case = true, value_name = "FORM")]
    via: Option<String>,
    /// Method of the request [default: GET]
    #[arg(short, long)]
    method: Option<String>,
    /// Header field of the request
    #[arg(short = 'H', long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Address of the client [default: 127.0.0.1]
    #[arg(long, value_name = "IP")]
    client: Option<String>,
    /// User that the client has proven to be wherever credentials are required
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Name or subject of the client's certificate: spiffe://prod/api, api.example, CN=api
    #[arg(long, value_name = "NAME")]
    certificate: Option<String>,
    /// The only listener that is asked
    #[arg(long, value_name = "NAMESPACE/GATEWAY/LISTENER")]
    listener: Option<String>,
    /// Address of the host, which is judged as if DNS had said so
    #[arg(long, value_name = "IP")]
    address: Vec<String>,
    /// Format of the explanation
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub(crate) output: TextOrJson,
}

impl ExplainArgs {
    /// The request, by the parameters of a question.
    pub(crate) fn parameters(&self) -> Vec<(&str, &str)> {
        let single = [
            ("url", Some(&self.url)),
            ("via", self.via.as_ref()),
            ("method", self.method.as_ref()),
            ("client", self.client.as_ref()),
            ("user", self.user.as_ref()),
            ("certificate", self.certificate.as_ref()),
            ("listener", self.listener.as_ref()),
        ];
        let single = single
            .into_iter()
            .filter_map(|(name, value)| Some((name, &**value?)));
        let headers = self.header.iter().map(|header| ("header", &**header));
        let addresses = self.address.iter().map(|address| ("address", &**address));
        single.chain(headers).chain(addresses).collect()
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  egret import /etc/squid/squid.conf --target Gateway/edge/out > policies/imported.yaml"
)]
pub(crate) struct ImportArgs {
    /// squid.conf, or an access list or the configuration of Smokescreen
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// What the file is [default: Smokescreen's if its name ends in .yaml or .yml, else Squid's]
    #[arg(long, value_name = "PROXY")]
    pub(crate) from: Option<ImportSource>,
    /// What the policy is for: a Gateway, a ListenerSet, one of their listeners, a route, one of its named rules, or a Backend
    #[arg(
        long,
        env = "EGRET_TARGET",
        default_value = "Gateway/default/egress",
        value_name = "KIND/NAMESPACE/NAME[/SECTION]"
    )]
    pub(crate) target: PolicyTarget,
    /// The name of the policy
    #[arg(long, default_value = "imported")]
    pub(crate) name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportSource {
    /// `acl` and `http_access` of Squid
    Squid,
    /// Access lists and lists of addresses of Smokescreen
    Smokescreen,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  egret replay /etc/egret policies/new.yaml --log access.log")]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) sources: ConfigSources,
    /// File with the access log; `-` is stdin
    #[arg(long = "log", required = true, value_name = "LOG")]
    pub(crate) logs: Vec<PathBuf>,
    /// Format of the list
    #[arg(short, long, default_value = "text", value_name = "FORMAT")]
    pub(crate) output: TextOrJson,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  egret controller --kubeconfig ~/.kube/config --log-level debug"
)]
pub(crate) struct ControllerArgs {
    #[command(flatten)]
    pub(crate) gateways: GatewayArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Namespace of the lease by which several controllers agree on the one that writes
    #[arg(long, env = "EGRET_NAMESPACE", default_value = "egret-system")]
    pub(crate) namespace: String,
    /// Name of this controller in the lease, which no other has [default: the name of the pod, or host and process]
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub(crate) identity: Option<String>,
    /// Image of the pods of Gateways
    #[arg(long, env = "EGRET_IMAGE", default_value = concat!("ghcr.io/egret-proxy/egret:", env!("CARGO_PKG_VERSION")))]
    pub(crate) image: String,
    /// Address of /healthz, /readyz and /metrics
    #[arg(
        long,
        env = "EGRET_PROBE_ADDRESS",
        default_value = "0.0.0.0:8082",
        value_parser = admin_address,
        value_name = "ADDRESS"
    )]
    pub(crate) probe_address: SocketAddr,
    /// Log level on stderr
    #[arg(
        long,
        env = "EGRET_LOG_LEVEL",
        default_value = "info",
        value_parser = log_level(),
        ignore_case = true,
        value_name = "LEVEL"
    )]
    pub(crate) log_level: LevelFilter,
    /// Format of the lines on stderr
    #[arg(
        long,
        env = "EGRET_LOG_FORMAT",
        default_value = "text",
        value_name = "FORMAT"
    )]
    pub(crate) log_format: LogFormat,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  egret learn access.log --rollup > policies/learned.yaml\n  kubectl logs -n egress deployment/http | egret learn - --target HTTPRoute/egress/partners"
)]
pub(crate) struct LearnArgs {
    /// Files with the access log; `-` is stdin
    #[arg(required = true, value_name = "LOG")]
    pub(crate) logs: Vec<PathBuf>,
    /// What the policy is for, and of which alone is learned: a Gateway, a ListenerSet, one of their listeners, a route, or one
    /// of its named rules [default: the one Gateway of which the log tells]
    #[arg(
        long,
        env = "EGRET_TARGET",
        value_name = "KIND/NAMESPACE/NAME[/SECTION]"
    )]
    pub(crate) target: Option<PolicyTarget>,
    /// The name of the policy
    #[arg(long, default_value = "learned")]
    pub(crate) name: String,
    /// Allow all names below a registrable domain (by the public suffix list) where one was served
    #[arg(long)]
    rollup: bool,
    /// Allow only the methods that were served, where requests can be read
    #[arg(long)]
    methods: bool,
    /// Allow only paths whose first segment was served, where requests can be read
    #[arg(long)]
    paths: bool,
}

impl LearnArgs {
    /// How exactly the policy tells requests apart.
    pub(crate) fn detail(&self) -> LearnDetail {
        LearnDetail {
            rollup: self.rollup,
            methods: self.methods,
            paths: self.paths,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  egret crds | kubectl apply --server-side -f -")]
pub(crate) struct CrdsArgs {
    /// Also print those of kgateway that Egret reads, for a cluster in which kgateway is not installed
    #[arg(long)]
    pub(crate) kgateway: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextOrJson {
    /// Lines, for people
    Text,
    /// JSON
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Aligned columns, for people
    Table,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// Reads how a request says where it wants to go.
fn form() -> impl TypedValueParser<Value = String> {
    let names = QuestionForm::NAMES.map(|(name, _)| name);
    PossibleValuesParser::new(names).map(|name| name.to_lowercase())
}

/// Reads a level of the log.
fn log_level() -> impl TypedValueParser<Value = LevelFilter> {
    let names = ["off", "error", "warn", "info", "debug", "trace"];
    PossibleValuesParser::new(names).try_map(|name| name.parse::<LevelFilter>())
}

/// Parses a duration in the format of the resources, such as `1m30s` (GEP-2257).
fn duration(text: &str) -> Result<Duration, String> {
    egret_config::api::duration::parse(text).map_err(|error| error.to_string())
}

/// Parses the time between two looks at a gateway, which has other things to do too.
fn look_interval(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_millis(100);
    at_least(LEAST, text)
}

/// Parses a duration that is not shorter than `least`.
fn at_least(least: Duration, text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration < least {
        return Err(format!("the least is {least:?}"));
    }
    Ok(duration)
}

/// Parses the URL of a collector of metrics.
fn metrics_collector(text: &str) -> Result<MetricsCollector, EndpointError> {
    MetricsCollector::new("--otlp-metrics-endpoint", text)
}

/// Parses the time between two pushes of metrics, which collectors keep for long.
fn push_interval(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_secs(1);
    at_least(LEAST, text)
}

/// Parses the name of a Gateway: `NAMESPACE/NAME`.
fn gateway(text: &str) -> Result<ObjectRef, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(ObjectRef::new(Kind::Gateway, namespace, name))
        }
        Some(_) | None => {
            Err("the namespace and the name are needed: kgateway-system/http".to_owned())
        }
    }
}

/// Parses the address of the admin server: `IP:PORT`, `localhost:PORT`, `:PORT` or `PORT`.
fn admin_address(text: &str) -> Result<SocketAddr, String> {
    let port = ["localhost:", ":"]
        .iter()
        .find_map(|host| text.strip_prefix(host));
    let port = port.unwrap_or(text);
    // The parser of numbers accepts a sign too.
    if port.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(port) = port.parse()
    {
        return Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
    }
    text.parse().map_err(|_| {
        "an address has a port and, if it is not this machine's own, an IP: 19000, localhost:19000, 0.0.0.0:19000"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_gateway_parameters_can_set_are_arguments_of_the_proxy() {
        let command = Cli::command();
        let proxy = command.find_subcommand("proxy").unwrap();
        for name in egret_config::compile::PROXY_ARGUMENTS {
            let mut known = proxy.get_arguments().filter_map(|it| it.get_long());
            assert!(
                known.any(|known| Some(known) == name.strip_prefix("--")),
                "{name}"
            );
        }
    }

    #[test]
    fn every_parameter_of_a_question_is_an_argument_of_explain() {
        let command = Cli::command();
        let explain = command.find_subcommand("explain").unwrap();
        for (name, _) in egret_proxy::PARAMETERS {
            let mut known = explain.get_arguments().filter_map(|it| it.get_long());
            assert!(known.any(|known| known == *name), "{name}");
        }
    }

    #[test]
    fn admin_addresses_of_this_machine_need_no_host() {
        for text in ["19000", ":19000", "localhost:19000", "127.0.0.1:19000"] {
            let parsed = admin_address(text).map(|address| address.to_string());
            assert_eq!(parsed.as_deref(), Ok("127.0.0.1:19000"), "{text}");
        }
        for text in ["0.0.0.0:1", "[::1]:0", "192.0.2.1:19000"] {
            let parsed = admin_address(text).map(|address| address.to_string());
            assert_eq!(parsed.as_deref(), Ok(text));
        }
        for text in [
            "",
            "localhost",
            "127.0.0.1",
            "65536",
            "host.example:1",
            "localhost1",
            "+1",
        ] {
            assert!(admin_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_gateway_has_a_namespace_and_a_name() {
        let parsed = gateway("infra/http").map(|gateway| gateway.to_string());
        assert_eq!(parsed.as_deref(), Ok("Gateway infra/http"));
        for text in ["http", "/http", "infra/", ""] {
            assert!(gateway(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_those_of_the_resources() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("30").is_err());
        assert_eq!(look_interval("100ms"), Ok(Duration::from_millis(100)));
        assert!(look_interval("99ms").is_err());
    }
}
