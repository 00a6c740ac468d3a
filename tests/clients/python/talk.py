"""A WebSocket echo server, and a client of it.

    talk.py serve [--certificate FILE --key FILE]     prints its port
    talk.py say URL --ca FILE [--proxy URL | --connect HOST:PORT]

`say` sends a text and something long, and prints what came back as JSON. With --connect it goes there instead of where
the URL leads, and says in `Host` where it wants to go; without either, the library takes its proxy from the environment.
"""

import argparse
import asyncio
import json
import ssl

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import WebSocketException

TIMEOUT = 20
LONG = bytes(range(256)) * 1000


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def run_server(args):
    context = None
    if args.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.certificate, args.key)
    async with serve(echo, "127.0.0.1", 0, ssl=context) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


def ways(args):
    if args.connect:
        host, _, port = args.connect.rpartition(":")
        return {"proxy": None, "host": host, "port": int(port)}
    return {"proxy": args.proxy or True}


async def say(args):
    more = ways(args)
    context = ssl.create_default_context(cafile=args.ca)
    if args.url.startswith("wss:"):
        more["ssl"] = context
    if (args.proxy or "").startswith("https:"):
        more["proxy_ssl"] = context
    try:
        async with asyncio.timeout(TIMEOUT), connect(args.url, **more) as connection:
            await connection.send("hello")
            said = await connection.recv()
            await connection.send(LONG)
            whole = await connection.recv() == LONG
        print(json.dumps({"status": connection.response.status_code, "body": said if whole else "cut"}))
    except (WebSocketException, OSError) as failure:
        print(json.dumps({"error": f"{type(failure).__name__}: {failure}"}))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = options.add_subparsers(required=True)
    server = commands.add_parser("serve")
    server.add_argument("--certificate")
    server.add_argument("--key")
    server.set_defaults(run=run_server)
    client = commands.add_parser("say")
    client.add_argument("url")
    client.add_argument("--ca", required=True)
    client.add_argument("--proxy")
    client.add_argument("--connect")
    client.set_defaults(run=say)
    args = options.parse_args()
    asyncio.run(args.run(args))


if __name__ == "__main__":
    main()
