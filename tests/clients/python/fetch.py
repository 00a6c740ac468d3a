"""Requests a URL with one of the libraries, and prints the outcome as JSON.

    fetch.py requests|httpx|aiohttp URL --ca FILE [--proxy URL]

Without --proxy the library takes its proxy from the environment.
"""

import argparse
import asyncio
import json
import ssl

TIMEOUT = 20


# Each function imports its own library, because importing all three takes a second.
def with_requests(args):
    import requests

    proxies = {"http": args.proxy, "https": args.proxy} if args.proxy else None
    response = requests.get(args.url, proxies=proxies, verify=args.ca, timeout=TIMEOUT)
    return response.status_code, response.text


def with_httpx(args):
    import httpx

    context = ssl.create_default_context(cafile=args.ca)
    secure = context if (args.proxy or "").startswith("https:") else None
    proxy = httpx.Proxy(args.proxy, ssl_context=secure) if args.proxy else None
    with httpx.Client(proxy=proxy, verify=context, timeout=TIMEOUT) as client:
        response = client.get(args.url)
        return response.status_code, response.text


def with_aiohttp(args):
    import aiohttp

    async def ask():
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=args.ca))
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True) as session:
            async with session.get(args.url, proxy=args.proxy) as response:
                return response.status, await response.text()

    return asyncio.run(ask())


LIBRARIES = {"requests": with_requests, "httpx": with_httpx, "aiohttp": with_aiohttp}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("library", choices=LIBRARIES)
    options.add_argument("url")
    options.add_argument("--ca", required=True)
    options.add_argument("--proxy")
    args = options.parse_args()
    try:
        status, body = LIBRARIES[args.library](args)
        print(json.dumps({"status": status, "body": body}))
    except Exception as failure:  # whichever the library has
        print(json.dumps({"error": f"{type(failure).__name__}: {failure}"}))


if __name__ == "__main__":
    main()
