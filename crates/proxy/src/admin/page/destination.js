/** One destination: its traffic, addresses, DNS entry, refusals, and who talks to it now. */

import { get } from "/page/api.js";
import { BarChart } from "/page/chart.js";
import { connectionTable } from "/page/connections.js";
import { el, fill, setText, viewAddress, viewLink } from "/page/dom.js";
import { nameActions } from "/page/dns-actions.js";
import { ago, bytes, count, counted, duration, span } from "/page/format.js";
import { refusalTable } from "/page/refusals.js";
import { LiveTable, numberColumn, textColumn } from "/page/table.js";

/** @typedef {import("/page/types.js").Destination} Destination */
/** @typedef {import("/page/types.js").Address} Address */
/** @typedef {import("/page/types.js").Refusal} Refusal */
/** @typedef {import("/page/types.js").Overview} Overview */

const MINUTE_MS = 60_000;
/** The most connections that are listed. */
const CONNECTIONS = 20;

/**
 * @param {string} host
 * @param {import("/page/types.js").Refresh} refresh
 * @returns {import("/page/types.js").View}
 */
export function destinationView(host, refresh) {
  const chart = new BarChart("Requests a minute", [{ name: "Requests", kind: "served", of: ({ requests }) => requests }], count);
  const figures = el("dl", { class: "figures" });
  const addresses = addressTable();
  const refusals = refusalTable();
  const clients = connectionTable(false);
  const dns = el("p");
  const unknown = el("p", { class: "empty", hidden: true }, "Nothing is known of this host: it was not asked for, or is no longer kept by name.");
  const known = el(
    "div",
    { class: "columns" },
    el("section", { class: "wide" }, chart.element),
    el("section", {}, el("h2", {}, "Since the start"), figures),
    el("section", { class: "wide" }, el("h2", {}, "Addresses"), addresses.element),
    el("section", {}, el("h2", {}, "DNS"), dns, nameActions(() => host, refresh)),
  );
  const explain = `${viewAddress("explain")}?${new URLSearchParams({ url: `https://${host}/` })}`;
  const root = el(
    "div",
    {},
    el("p", { class: "crumb" }, viewLink(["destinations"], "Destinations")),
    el("h1", { class: "host" }, host),
    el("p", {}, el("a", { href: explain }, "Explain a request to this host")),
    unknown,
    known,
    el("section", {}, el("h2", {}, "Refusals"), refusals.element),
    el("section", {}, el("h2", {}, "Clients now"), clients.element),
  );
  return {
    title: host,
    root,
    load: () =>
      Promise.all([get("/destinations", { host }), get("/refusals", { host, limit: 100 }), get("/connections", { host, limit: CONNECTIONS })]),
    /**
     * @param {[Destination[], Refusal[], import("/page/types.js").Connection[]]} read
     * @param {Overview} overview
     */
    show([found, refused, open], { now }) {
      const destination = found.find((one) => one.host === host);
      unknown.hidden = destination !== undefined;
      known.hidden = destination === undefined;
      refusals.show(refused, now);
      clients.show(open.map((row) => ({ row, now })));
      if (destination !== undefined) {
        chart.show(timed(destination.minutes, now));
        showFigures(figures, destination, now);
        addresses.show(destination.addresses ?? []);
        setText(dns, dnsText(destination));
      }
    },
  };
}

/**
 * The counts of the last minutes with their times.
 * @param {number[]} minutes
 * @param {string} now
 */
function timed(minutes, now) {
  const end = Math.floor(Date.parse(now) / MINUTE_MS) * MINUTE_MS;
  return minutes.map((requests, index) => {
    const at = new Date(end - (minutes.length - 1 - index) * MINUTE_MS).toISOString();
    return { at, requests };
  });
}

/**
 * @param {HTMLElement} element
 * @param {Destination} destination
 * @param {string} now
 */
function showFigures(element, destination, now) {
  const { latency, reasons } = destination;
  const told = Object.entries(reasons).sort(([, a], [, b]) => b - a);
  /** @type {[string, string][]} */
  const figures = [
    ["Requests", count(destination.requests)],
    ["Errors", count(destination.errors)],
    ["Of them refused", `${count(destination.refused)} by a policy`],
    ["Reasons", told.map(([reason, times]) => `${reason} ${count(times)}`).join(", ") || "none"],
    ["Sent", bytes(destination.bytes_sent)],
    ["Received", bytes(destination.bytes_received)],
    ["Latency", latency === undefined ? "none yet" : `p50 ${duration(latency.p50)}, p99 ${duration(latency.p99)}, mean ${duration(latency.mean)}`],
    ["First, last seen", `${ago(destination.first, now)}, ${ago(destination.last, now)}`],
  ];
  fill(element, JSON.stringify(figures), () => figures.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

/** @param {Destination} destination */
function dnsText({ dns }) {
  if (dns === null || dns === undefined) {
    return "The name is not remembered: it is an address, comes from the configuration, or was not asked for lately.";
  }
  const addresses = dns.addresses.length > 0 ? dns.addresses.join(", ") : "no address";
  const error = dns.error === undefined ? "" : `; last error: ${dns.error}`;
  return `${dns.state}: ${addresses}; for another ${span(dns.ttlSeconds * 1000)}, used ${counted(dns.hits, "time")}${error}`;
}

function addressTable() {
  /** @type {LiveTable<Address>} */
  const table = new LiveTable({
    caption: "Addresses of the destination, and their health",
    columns: [
      textColumn("Address", ({ address }) => address, { kind: "host" }),
      {
        label: "Health",
        show: (cell, { state }) =>
          fill(cell, state, () => [el("span", { class: state === "healthy" ? "good" : "bad" }, state)]),
      },
      numberColumn("Failures", ({ failures }) => count(failures)),
      numberColumn("Requests now", ({ connections }) => count(connections)),
      textColumn("Last error", ({ last_error: error }) => error || "\u2013"),
    ],
    keyOf: ({ address }) => address,
    empty: "No address was dialled lately.",
  });
  return table;
}
