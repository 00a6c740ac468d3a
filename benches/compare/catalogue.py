"""What is measured, in the order of the page."""

from load import Request
from scenarios import (
    FromH2load,
    Guarded,
    HostsInTurn,
    Idle,
    IdleOverTls,
    NewHosts,
    Originated,
    Reload,
    Scenario,
    StartUp,
)

ALL = ("egret", "haproxy", "nginx", "envoy", "envoy-kgateway", "squid", "tinyproxy")
REVERSE = ("egret", "haproxy", "nginx", "envoy", "envoy-kgateway")
DYNAMIC = ("egret", "haproxy", "nginx-dynamic", "envoy", "envoy-kgateway", "squid", "tinyproxy")
TUNNELS = ("egret", "envoy", "envoy-kgateway", "squid", "tinyproxy")
RELAYS = ("egret", "haproxy-tcp", "envoy", "envoy-kgateway", "squid", "tinyproxy")
TEAM = ("Authorization: Bearer @JWT@", "X-Team: billing")
EACH_HOST = "h%ld.@"


def body(size, title, connections, part):
    text = f"Responses of {title} over {connections} client connections that are kept alive."
    request = Request(f"/{size}", connections=connections)
    peers = (*REVERSE, "squid")
    return Scenario(f"body-{size}", f"Bodies of {title}", text, peers, request, part=part, tags=("bytes",))


def originated(name, title, port, says, sessions):
    text = f"""Plain requests from clients, TLS 1.3 to the origin, whose certificate (P-256) is verified. The origin
        closes every connection after one response, so that each request has a handshake; {sessions}."""
    request = Request(host=f"h0.@:{port}")
    return Originated(name, title, text, REVERSE, request, ("tls-upstream",), port, part=0.6, origin_says=says)


CATALOGUE = [
    Scenario(
        "warm",
        "Warm requests",
        """Small requests (12 bytes come back) to one host over 32 client connections that are kept alive; the name is
        resolved, and connections to the origin are open. Lean: no access log, no limits, no rules.""",
        ALL,
        latency=True,
    ),
    Guarded(
        "everything",
        "Everything on",
        """Warm requests with a line of JSON with thirteen fields for each in a file, metrics, a rate limit that is
        counted and never reached, and twenty rules about hosts, of which the last one allows; everything else is
        denied. HAProxy writes its log to standard output, which is a file here.""",
        REVERSE,
        features=("everything",),
        latency=True,
    ),
    Guarded(
        "everything-jwt",
        "Everything on, with tokens and expressions",
        """As above, with a token (RS256) in each request, whose signature, issuer and audience are verified, and a
        condition on a header: in CEL, and in HAProxy's own language there. Envoy keeps tokens that it has verified only
        if it is told to: here envoy is, and envoy-kgateway is not, because kgateway does not. HAProxy verifies
        each.""",
        ("egret", "haproxy", "envoy", "envoy-kgateway"),
        Request(headers=TEAM),
        ("everything", "jwt"),
        latency=True,
    ),
    NewHosts(
        "new-hosts",
        "Never-seen hosts",
        """Each request is for another name with another address: a DNS query, a new connection, and the state that is
        kept for it. 16 client connections that are kept alive. nginx-dynamic and tinyproxy keep nothing of a host.""",
        DYNAMIC,
        Request(host=EACH_HOST, connections=16),
    ),
    HostsInTurn(
        "hosts-in-turn",
        "10,000 hosts in turn",
        """10,000 names with an address each, which the proxy knows, asked in turn over 32 client connections.
        envoy-kgateway asks DNS about each of them every five seconds. nginx-dynamic connects for every request.""",
        ("egret", "haproxy", "nginx-dynamic", "envoy", "envoy-kgateway", "squid"),
        Request(host=EACH_HOST, hosts=10_000),
    ),
    body("1k", "1 KB", 32, 0.7),
    body("100k", "100 KB", 16, 0.6),
    body("1m", "1 MB", 8, 0.6),
    body("10m", "10 MB", 4, 0.8),
    originated("tls-origination", "TLS to the origin, resumed", 4431, "HTTP/1.1 r", "tickets may be used"),
    originated("tls-origination-full", "TLS to the origin, not resumed", 4432, "HTTP/1.1 .", "none is resumed"),
    FromH2load(
        "tls-clients",
        "TLS from clients",
        "HTTP/1.1 over TLS 1.3 from 32 clients that keep their connections; plain HTTP/1.1 to the origin.",
        REVERSE,
        features=("tls-listener",),
    ),
    FromH2load(
        "h2-clients",
        "HTTP/2 from clients",
        "HTTP/2 over TLS 1.3 from 8 clients with 16 streams each; plain HTTP/1.1 to the origin.",
        REVERSE,
        Request(connections=8),
        features=("tls-listener",),
        tags=("h2",),
        streams=16,
    ),
    Scenario(
        "h2-upstream",
        "HTTP/2 to the origin",
        "Plain HTTP/1.1 from clients, HTTP/2 over TLS 1.3 to the origin. nginx cannot do this.",
        ("egret", "haproxy", "envoy", "envoy-kgateway"),
        features=("tls-upstream", "h2-upstream"),
        origin_port=443,
        origin_says="HTTP/2.0",
    ),
    Scenario(
        "connect-rate",
        "CONNECT: tunnels opened",
        """A client connection, a CONNECT to a known name, the 200, and the end, with 16 at a time. A request here is a
        tunnel.""",
        TUNNELS,
        Request(connections=16, tunnel=True, tunnels_only=True),
        features=("connect",),
        part=0.7,
    ),
    Scenario(
        "tunnel-throughput",
        "CONNECT: bytes through tunnels",
        """10 MB from the origin, again and again, through four tunnels that stay open. A request here is 10 MB.
        haproxy-tcp splices.""",
        RELAYS,
        Request("/10m", connections=4, tunnel=True),
        features=("connect",),
        part=0.8,
        tags=("bytes",),
    ),
    Scenario(
        "connection-a-request",
        "A client connection for each request",
        "Small requests, each over a client connection of its own (`Connection: close`), with 16 at a time.",
        ALL,
        Request(connections=16, new_connections=True),
        latency=True,
        part=0.7,
    ),
    Idle(
        "idle-clients",
        "Idle clients",
        """Thousands of client connections, each of which has carried a request and is silent for four seconds: as
        many as the limit on open files allows where each needs two. Memory of the process for each, without what the
        kernel keeps for sockets. tinyproxy keeps no connections.""",
        ALL[:-1],
    ),
    IdleOverTls(
        "idle-tls-clients",
        "Idle clients over TLS",
        "Clients over TLS 1.3, with HTTP/1.1, which are silent for four seconds after a request.",
        REVERSE,
        features=("tls-listener",),
    ),
    Idle(
        "idle-tunnels",
        "Idle tunnels",
        """Tunnels, as many as above, opened with CONNECT and silent for four seconds. tinyproxy has a thread for each.
        haproxy-tcp has pipes in the kernel, which are not counted.""",
        RELAYS,
        Request(tunnel=True, tunnels_only=True),
        features=("connect",),
    ),
    Scenario(
        "routes",
        "10,000 routes",
        """10,000 routes, each for one host: HTTPRoutes, virtual hosts, servers, lines of HAProxy's map. Warm requests
        to 64 of the hosts in turn, over 32 client connections.""",
        REVERSE,
        Request(host=EACH_HOST, hosts=64, stride=156),
        features=("routes",),
        routes=10_000,
    ),
    Reload(
        "reload",
        "A change each second, with 10,000 routes",
        """An open loop of requests to 64 of 10,000 hosts, and every second another route is added: Egret and Envoy
        watch the file, HAProxy gets SIGUSR2 and nginx SIGHUP. Beside the same load without changes. The last route must
        become live.""",
        REVERSE,
        Request(host=EACH_HOST, hosts=64, stride=156),
        features=("routes", "reload"),
        routes=10_000,
    ),
    StartUp(
        "start-up",
        "Start-up",
        "From the start of the process to the first response with 200, one proxy at a time, with one route.",
        ALL,
    ),
    StartUp(
        "start-up-routes",
        "Start-up with 10,000 routes",
        "The same with the 10,000 routes of above.",
        REVERSE,
        Request(host=EACH_HOST),
        features=("routes",),
        routes=10_000,
        most_rounds=3,
    ),
]
SCENARIOS = {scenario.name: scenario for scenario in CATALOGUE}
