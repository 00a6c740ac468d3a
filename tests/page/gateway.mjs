/** A gateway under load on loopback: the process, a DNS server, an upstream for every name, and clients. */

import { spawn } from "node:child_process";
import dgram from "node:dgram";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const WAIT_MS = 20_000;
const HEADER_BYTES = 12;
const NXDOMAIN = 3;

/** The hosts that clients ask for, the often asked first. All but the last two are allowed. */
export const HOSTS = [
  "api.payments.example",
  "registry.packages.example",
  "telemetry.example",
  "auth.partner.example",
  "files.partner.example",
  "maps.example",
  "gone.partner.example",
  "paste.example",
  "mail.example",
];
/** What the policy allows at the start. */
const ALLOWED = ["*.payments.example", "registry.packages.example", "telemetry.example", "*.partner.example", "maps.example"];

/** Waits until `check` returns something, and returns it. */
export async function until(what, check) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const found = await check();
    if (found) {
      return found;
    }
    if (Date.now() > end) {
      throw new Error(`never: ${what}`);
    }
    await pause(50);
  }
}

/** The EgressPolicy of the gateway. */
export function policy(hosts) {
  return `apiVersion: egret.dev/v1alpha1
kind: EgressPolicy
metadata:
  name: partners
  namespace: egress
spec:
  targetRefs:
  - group: gateway.networking.k8s.io
    kind: Gateway
    name: http
  defaultAction: Deny
  rules:
  - name: no-mail
    action: Deny
    hosts: ["mail.example"]
    reason: mail is sent by the relay only
  - name: partners
    action: Allow
    hosts: ${JSON.stringify(hosts)}
  addresses:
    allow: ["127.0.0.1/32"]
`;
}

export class Gateway {
  /** Starts all; `close` ends all. */
  static async start(environment = {}) {
    const gateway = new Gateway();
    gateway.folder = await mkdtemp(path.join(os.tmpdir(), "egret-page-"));
    gateway.config = path.join(gateway.folder, "egress");
    gateway.dns = await dnsServer();
    gateway.upstream = await upstream();
    gateway.upstreamPort = gateway.upstream.address().port;
    gateway.port = await freePort();
    await mkdir(gateway.config);
    for (const [name, text] of Object.entries(files(gateway.port, gateway.dns.address().port))) {
      await gateway.write(name, text);
    }
    await gateway.write("policy.yaml", policy(ALLOWED));
    await gateway.spawn(environment);
    return gateway;
  }

  async spawn(environment) {
    const log = path.join(this.folder, "access.log");
    const parameters = ["serve", this.config, "--admin", "127.0.0.1:0", "--access-log-file", log];
    this.process = spawn(process.env.EGRET_BIN, parameters, {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let told = "";
    this.process.stderr.on("data", (text) => (told += text));
    this.admin = await until(`an admin address in: ${told}`, () => {
      if (this.process.exitCode !== null) {
        throw new Error(told);
      }
      return /admin server on (http:\S+)/.exec(told)?.[1];
    });
    await until("readiness", async () => (await fetch(`${this.admin}readyz`)).ok);
  }

  /** Writes a file of the configuration. */
  async write(name, text) {
    await writeFile(path.join(this.config, name), text);
  }

  /** Sends one request through the gateway, and returns the status. */
  async request(host, { method = "GET", agent } = {}) {
    const headers = { host: `${host}:${this.upstreamPort}` };
    const sent = http.request({ host: "127.0.0.1", port: this.port, path: "/", method, headers, agent });
    sent.end();
    return new Promise((resolve, reject) => {
      sent.on("error", reject);
      sent.on("response", (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode));
      });
    });
  }

  /** Opens a tunnel. */
  async tunnel(host) {
    const sent = http.request({ host: "127.0.0.1", port: this.port, method: "CONNECT", path: `${host}:${this.upstreamPort}` });
    sent.end();
    const [response, socket] = await new Promise((resolve, reject) => {
      sent.on("error", reject);
      sent.on("connect", (...answer) => resolve(answer));
    });
    if (response.statusCode !== 200) {
      throw new Error(`no tunnel: ${response.statusCode}`);
    }
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\nhost: inner\r\n\r\n");
    return socket;
  }

  /** Sends requests to all hosts until `stop` is called. */
  load() {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
    let isOver = false;
    let number = 0;
    const client = async () => {
      while (!isOver) {
        number += 1;
        // The n-th host gets about half as many as the one before.
        const rank = Math.min(HOSTS.length - 1, Math.clz32((number * 2654435761) >>> 0));
        await this.request(HOSTS[rank], { agent }).catch(() => {});
        await pause(10);
      }
    };
    const clients = [client(), client(), client(), client()];
    return {
      stop: async () => {
        isOver = true;
        await Promise.all(clients);
        agent.destroy();
      },
    };
  }

  async close() {
    this.process.kill("SIGKILL");
    this.dns.close();
    this.upstream.closeAllConnections();
    this.upstream.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function files(port, dnsPort) {
  return {
    "gateway.yaml": `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: http, namespace: egress}
spec:
  gatewayClassName: egret
  addresses: [{type: IPAddress, value: 127.0.0.1}]
  listeners:
  - {name: http, protocol: HTTP, port: ${port}}
`,
    "route.yaml": `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: anywhere, namespace: egress}
spec:
  parentRefs: [{name: http}]
  rules:
  - name: anywhere
    backendRefs: [{group: gateway.kgateway.dev, kind: Backend, name: anywhere}]
---
apiVersion: gateway.kgateway.dev/v1alpha1
kind: Backend
metadata: {name: anywhere, namespace: egress}
spec: {type: DynamicForwardProxy, dynamicForwardProxy: {}}
`,
    "resolver.yaml": `apiVersion: egret.dev/v1alpha1
kind: ResolverPolicy
metadata: {name: names, namespace: egress}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: http}]
  servers: [{address: "127.0.0.1:${dnsPort}"}]
  lookupFamily: V4Only
`,
  };
}

/** Answers every request after a while that depends on its host. */
async function upstream() {
  const server = http.createServer(async (request, response) => {
    const host = request.headers.host ?? "";
    await pause(2 + ((host.length * 7) % 23) * (Math.random() < 0.05 ? 6 : 1));
    response.end("x".repeat(200 + host.length * 90));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** Knows all names but those that begin with `gone.`. */
async function dnsServer() {
  const server = dgram.createSocket("udp4");
  server.on("message", (query, from) => server.send(answer(query), from.port, from.address));
  await new Promise((resolve) => server.bind(0, "127.0.0.1", resolve));
  return server;
}

/** The answer to a query of one question (RFC 1035 4.1). */
function answer(query) {
  let end = HEADER_BYTES;
  while (query[end] !== 0) {
    end += query[end] + 1;
  }
  const question = query.subarray(HEADER_BYTES, end + 5);
  const isAddress = query.readUInt16BE(end + 1) === 1;
  const isGone = query.toString("latin1", HEADER_BYTES + 1, HEADER_BYTES + 5) === "gone";
  const header = Buffer.alloc(HEADER_BYTES);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | (isGone ? NXDOMAIN : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(isAddress && !isGone ? 1 : 0, 6);
  const record = Buffer.from([0xc0, HEADER_BYTES, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 127, 0, 0, 1]);
  return Buffer.concat(isAddress && !isGone ? [header, question, record] : [header, question]);
}

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
