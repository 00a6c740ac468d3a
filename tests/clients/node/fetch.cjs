// Requests a URL with undici, and prints the outcome as JSON.
//
//     fetch.cjs URL CA-FILE [PROXY]
//
// Without PROXY, the proxy is taken from the environment.

const { readFileSync } = require("node:fs");
const { EnvHttpProxyAgent, ProxyAgent, request } = require("undici");

const [url, caFile, proxy] = process.argv.slice(2);
const tls = { ca: readFileSync(caFile) };
const options = { requestTls: tls, proxyTls: tls, connectTimeout: 20_000 };

async function main() {
  const dispatcher = proxy ? new ProxyAgent({ ...options, uri: proxy }) : new EnvHttpProxyAgent(options);
  try {
    const response = await request(url, { dispatcher });
    console.log(JSON.stringify({ status: response.statusCode, body: await response.body.text() }));
  } catch (failure) {
    const causes = [];
    for (let cause = failure; cause; cause = cause.cause) causes.push(String(cause));
    console.log(JSON.stringify({ error: causes.join(": ") }));
  }
  await dispatcher.destroy();
}

main();
