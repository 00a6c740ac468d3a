/** DNS: the servers and how they answer, the names that are remembered, and commands to forget or refresh them. */

import { get } from "/page/api.js";
import { command, nameActions } from "/page/dns-actions.js";
import { el, fill } from "/page/dom.js";
import { ago, count, counted, duration, span } from "/page/format.js";
import { Pager } from "/page/pager.js";
import { LiveTable, numberColumn, textColumn } from "/page/table.js";

/** @typedef {import("/page/types.js").Cache} Cache */
/** @typedef {import("/page/types.js").CachedName} CachedName */
/** @typedef {import("/page/types.js").DnsServer} DnsServer */
/** @typedef {{resolver: string, name: CachedName}} Row */

/** The causes that are answers: a name that does not exist, or has no addresses of a family. */
const ANSWERS = new Set(["nxdomain", "nodata"]);

/** The states in which a name cannot be served at once, or should not be. */
const TROUBLED = new Map([
  ["stale", "warn"],
  ["negative", "bad"],
  ["expired", "warn"],
]);

/**
 * @param {string} _what
 * @param {import("/page/types.js").Refresh} refresh
 * @returns {import("/page/types.js").View}
 */
export function dnsView(_what, refresh) {
  /** @type {Cache[]} */
  let caches = [];
  /** @type {Pager<Row>} */
  const pager = new Pager({
    noun: "name",
    isWhole: true,
    read: async () => {
      caches = await get("/dns");
      return caches.flatMap(({ resolver, names }) => names.map((name) => ({ resolver: resolverName(resolver), name })));
    },
    words: ({ resolver, name }) => [name.name, name.state, resolver, name.error ?? "", ...name.addresses].join(" ").toLowerCase(),
    refresh,
  });
  const table = nameTable(() => pager.reread());
  const servers = serverTable();
  const summary = el("ul", { class: "plain" });
  return {
    title: "DNS",
    root: el(
      "div",
      {},
      el("h1", {}, "DNS"),
      el("section", {}, el("h2", {}, "Servers"), servers.element),
      el("section", {}, el("h2", {}, "Names"), summary, commands(() => pager.reread()), pager.element, table.element),
    ),
    load: () => Promise.all([get("/dns/servers"), pager.load()]),
    /**
     * @param {[DnsServer[], Row[]]} answers
     * @param {import("/page/types.js").Overview} overview
     */
    show([queried, read], { now }) {
      servers.show(queried.map((server) => ({ server, now })));
      const told = caches.map(cacheText);
      fill(summary, JSON.stringify(told), () => told.map((text) => el("li", {}, text)));
      table.show(pager.show(read));
    },
  };
}

/**
 * The form that flushes or refreshes a name that is typed, and flushes all.
 * @param {() => void} reread
 */
function commands(reread) {
  const field = el("input", { id: "flush-name", autocomplete: "off", spellcheck: "false", required: true });
  const said = el("span", { class: "said", role: "status" });
  const flush = (/** @type {Event} */ event) => {
    event.preventDefault();
    void command("/dns/flush", field.value.trim(), said, reread);
  };
  const all = el("button", { type: "button", click: () => command("/dns/flush", undefined, said, reread) }, "Flush all names");
  return el(
    "form",
    { class: "toolbar", submit: flush },
    el("label", { for: "flush-name" }, "Forget a name"),
    field,
    el("button", { type: "submit" }, "Flush this name"),
    el("details", {}, el("summary", {}, "All names"), "Every name is resolved anew when it is next asked for. ", all),
    said,
  );
}

function serverTable() {
  /** @type {LiveTable<{server: DnsServer, now: string}>} */
  const table = new LiveTable({
    caption: "DNS servers since the start, and how they answer",
    columns: [
      textColumn("Server", ({ server }) => server.server, { kind: "host" }),
      {
        label: "State",
        show: (cell, { server: { answers } }) =>
          fill(cell, String(answers), () => [el("span", { class: answers ? "good" : "bad" }, answers ? "answers" : "silent")]),
      },
      numberColumn("Queries", ({ server }) => count(server.queries)),
      numberColumn("No such name", ({ server }) => count(server.without_records.nxdomain ?? 0)),
      {
        label: "Failed",
        show: (cell, { server }) => {
          const failed = Object.entries(server.without_records).filter(([cause]) => !ANSWERS.has(cause));
          const told = failed.map(([cause, times]) => `${cause} ${count(times)}`).join(", ");
          fill(cell, told, () => [told === "" ? "\u2013" : el("span", { class: "bad" }, told)]);
        },
      },
      numberColumn("p50", ({ server }) => duration(server.latency.p50)),
      numberColumn("p99", ({ server }) => duration(server.latency.p99)),
      numberColumn("Last query", ({ server, now }) => ago(server.last, now)),
    ],
    keyOf: ({ server }) => server.server,
    empty: "No server was queried yet.",
  });
  return table;
}

/** @param {() => void} reread */
function nameTable(reread) {
  /** @type {LiveTable<Row>} */
  const table = new LiveTable({
    caption: "Names in the DNS caches",
    columns: [
      textColumn("Name", ({ name }) => name.name, { kind: "host" }),
      {
        label: "State",
        show: (cell, { name: { state, resolving } }) =>
          fill(cell, `${state} ${resolving}`, () => [
            el("span", { class: TROUBLED.get(state) ?? "good" }, state),
            resolving && state !== "resolving" && el("span", { class: "quiet" }, " (resolving)"),
          ]),
      },
      {
        label: "Addresses",
        kind: "addresses",
        show: (cell, { name: { addresses, error } }) =>
          fill(cell, JSON.stringify([addresses, error]), () => [
            el("code", {}, addresses.join(", ") || "\u2013"),
            error !== undefined && el("span", { class: "below" }, error),
          ]),
      },
      numberColumn("Age", ({ name }) => span(name.ageSeconds * 1000)),
      numberColumn("TTL left", ({ name }) => span(name.ttlSeconds * 1000)),
      numberColumn("Hits", ({ name }) => count(name.hits)),
      textColumn("Resolver", ({ resolver }) => resolver, { kind: "resolver" }),
      {
        label: "Actions",
        show: (cell, { name: { name } }) => fill(cell, name, () => [nameActions(() => name, reread)]),
      },
    ],
    keyOf: ({ resolver, name }) => `${resolver} ${name.name}`,
    empty: "No name.",
  });
  return table;
}

/** @param {Cache} cache */
function cacheText({ resolver, names }) {
  /** @type {Map<string, number>} */
  const states = new Map();
  for (const { state } of names) {
    states.set(state, (states.get(state) ?? 0) + 1);
  }
  const told = [...states].sort(([, a], [, b]) => b - a).map(([state, times]) => `${count(times)} ${state}`);
  return `${resolverName(resolver)}: ${counted(names.length, "name")}${told.length > 0 ? `, ${told.join(", ")}` : ""}`;
}

/** @param {Cache["resolver"]} resolver */
function resolverName(resolver) {
  if (typeof resolver === "string") {
    return resolver === "System" ? "System" : resolver;
  }
  return Object.values(resolver).map((part) => (typeof part === "string" ? part : JSON.stringify(part))).join(" ");
}
