"""The world around the gateway, in threads of this process: an origin, and a name server to which every name is 127.0.0.1."""

import contextlib
import socket
import struct
import threading

RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\nhello, world\n"
END_OF_HEAD = b"\r\n\r\n"


def in_background(function, *arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()


def start_origin():
    """Answers every request on every connection with the same response. Returns its port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)

    def connection(peer):
        with peer, contextlib.suppress(OSError):
            received = b""
            while piece := peer.recv(65536):
                received += piece
                while (end := received.find(END_OF_HEAD)) >= 0:
                    received = received[end + len(END_OF_HEAD) :]
                    peer.sendall(RESPONSE)

    def accept():
        while True:
            in_background(connection, listener.accept()[0])

    threading.stack_size(256 * 1024)
    in_background(accept)
    return listener.getsockname()[1]


def answer(query):
    """One A record for an A question, none for others, valid for an hour."""
    end = query.index(b"\0", 12) + 5
    is_address = query[end - 4 : end - 2] == b"\0\1"
    head = query[:2] + struct.pack("!HHHHH", 0x8180, 1, int(is_address), 0, 0)
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 3600, 4) + socket.inet_aton("127.0.0.1")
    return head + query[12:end] + (record if is_address else b"")


def start_name_server():
    """Returns its port."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve():
        while True:
            query, client = server.recvfrom(4096)
            server.sendto(answer(query), client)

    in_background(serve)
    return server.getsockname()[1]
