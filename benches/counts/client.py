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
