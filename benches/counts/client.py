"""What clients do in a scenario: each function does its thing `count` times and returns what is to be kept open."""

import contextlib
import socket
import ssl

END_OF_ANSWER = b"hello, world\n"


def head(running, host="origin.test", headers=()):
    lines = [f"host: {host}:{running.origin}", "user-agent: bench", "accept: */*", *headers]
    lines = [line.replace("@JWT@", running.token) for line in lines]
    return ("GET /small HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode()


def connect(running):
    client = socket.create_connection(("127.0.0.1", running.port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def ask(client, request):
    client.sendall(request)
    received = b""
    while not received.endswith(END_OF_ANSWER):
        piece = client.recv(65536)
        if not piece:
            raise RuntimeError(f"the gateway closed the connection after {received!r}")
        received += piece
    if not received.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"not served: {received!r}")


def requests(running, count, headers=()):
    """Requests on one connection."""
    request = head(running, headers=headers)
    with connect(running) as client:
        for _ in range(count):
            ask(client, request)
    return []


def frame(kind, flags, stream, payload=b""):
    """A frame of HTTP/2 (RFC 9113 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def field_block(fields):
    """Fields as HPACK writes them without a table (RFC 7541 6.2.2)."""
    texts = (text.encode() for field in fields for text in field)
    return b"".join(b"%s%c%s" % (b"\0" if number % 2 == 0 else b"", len(text), text) for number, text in enumerate(texts))


def http2_requests(running, count):
    """Requests over HTTP/2 on one connection, one after the other."""
    data, headers, settings, ping, window = 0, 1, 4, 6, 8
    fields = {":method": "GET", ":scheme": "http", ":authority": f"origin.test:{running.origin}", ":path": "/small"}
    block = field_block([*fields.items(), ("user-agent", "bench"), ("accept", "*/*")])
    with connect(running) as client, client.makefile("rb") as received:
        begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings, 0, 0)
        client.sendall(begin + frame(window, 0, 0, (2**30).to_bytes(4, "big")))
        for stream in range(1, 2 * count, 2):
            # The head ends here, and the request with it.
            client.sendall(frame(headers, 5, stream, block))
            ended = False
            while not ended:
                head = received.read(9)
                if len(head) < 9:
                    raise RuntimeError("the gateway closed the connection")
                kind, flags, payload = head[3], head[4], received.read(int.from_bytes(head[:3], "big"))
                if kind in (settings, ping) and not flags:
                    client.sendall(frame(kind, 1, 0, payload if kind == ping else b""))
                # The status 200 is one byte, and comes first.
                if kind == headers and payload[0] != 0x88:
                    raise RuntimeError(f"not served: {payload!r}")
                ended = kind in (headers, data) and flags & 1
    return []


def connections(running, count):
    """A connection for each request, one after the other."""
    request = head(running)
    for _ in range(count):
        with connect(running) as client:
            ask(client, request)
    return []


def hosts(running, count):
    """A host for each request, which nobody has asked for before."""
    client = connect(running)
    for number in range(count):
        ask(client, head(running, host=f"h{number}.test"))
    return [client]


def idle_clients(running, count):
    """Connections that stay open after one request each."""
    request, kept = head(running), []
    for _ in range(count):
        kept.append(connect(running))
        ask(kept[-1], request)
    return kept


def idle_tls_clients(running, count):
    """The same over TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    request, kept = head(running), []
    for _ in range(count):
        kept.append(context.wrap_socket(connect(running), server_hostname="origin.test"))
        ask(kept[-1], request)
    return kept


def idle_tunnels(running, count):
    """Tunnels that stay open after one request in each."""
    opening = f"CONNECT origin.test:{running.origin} HTTP/1.1\r\nhost: origin.test:{running.origin}\r\n\r\n".encode()
    request, kept = head(running), []
    for _ in range(count):
        client = connect(running)
        client.sendall(opening)
        answered = b""
        while not answered.endswith(b"\r\n\r\n"):
            answered += client.recv(1)
        if not answered.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"no tunnel: {answered!r}")
        ask(client, request)
        kept.append(client)
    return kept


def close(kept):
    for client in kept:
        with contextlib.suppress(OSError):
            client.close()
