/** Overview: traffic, latency by phase, DNS and configuration, now and over the last hour. */

import { get } from "/page/api.js";
import { BarChart } from "/page/chart.js";
import { el, fill, setText, viewLink } from "/page/dom.js";
import { ago, bytes, count, counted, duration, minuteOfDay, rate, share } from "/page/format.js";
import { phaseTable } from "/page/phases.js";
import { LiveTable, numberColumn, textColumn } from "/page/table.js";

/** @typedef {import("/page/types.js").Overview} Overview */
/** @typedef {import("/page/types.js").Minute} Minute */
/** @typedef {import("/page/types.js").Refusal} Refusal */
/** @typedef {import("/page/types.js").Destination} Destination */

/** The rate of now is over the samples of these milliseconds. */
const NOW_MS = 10_000;
const LATEST = 6;

/** @typedef {{name: string, link: string, key: "requests"|"refused"|"failed"|"bytes_sent"|"bytes_received", format: (n: number) => string}} Measure */

/** @type {Measure[]} */
const MEASURES = [
  { name: "Requests", link: "destinations", key: "requests", format: count },
  { name: "Refused by a policy", link: "refusals", key: "refused", format: count },
  { name: "Failed", link: "refusals", key: "failed", format: count },
  { name: "Sent to destinations", link: "destinations", key: "bytes_sent", format: bytes },
  { name: "Received from them", link: "destinations", key: "bytes_received", format: bytes },
];

/** @returns {import("/page/types.js").View} */
export function overviewView() {
  const traffic = trafficTable();
  const open = el("p", { class: "note" });
  const requests = new BarChart(
    "Requests a minute",
    [
      { name: "Served", kind: "served", of: (minute) => minute.requests - minute.refused - minute.failed },
      { name: "Refused", kind: "refused", of: (minute) => minute.refused },
      { name: "Failed", kind: "failed", of: (minute) => minute.failed },
    ],
    count,
  );
  const queries = new BarChart(
    "DNS queries a minute",
    [
      { name: "Answered", kind: "served", of: ({ dns }) => dns.queries - dns.not_found - dns.failures },
      { name: "No such name", kind: "refused", of: (minute) => minute.dns.not_found },
      { name: "Failed", kind: "failed", of: (minute) => minute.dns.failures },
    ],
    count,
  );
  const dnsHealth = el("p", { class: "note" });
  const silent = el("p");
  const phases = phaseTable();
  const configuration = el("div");
  const refusals = refusalTable();
  const destinations = destinationTable();
  const root = el(
    "div",
    {},
    el("h1", {}, "Overview"),
    el(
      "div",
      { class: "overview" },
      el(
        "div",
        {},
        el("section", {}, requests.element),
        el("section", {}, el("h2", {}, "Traffic"), traffic.element, open),
        el("section", {}, el("h2", {}, "Latency by phase"), phases.element),
      ),
      el(
        "div",
        {},
        el("section", {}, el("h2", {}, "Gateway"), configuration),
        el("section", {}, el("h2", {}, "Latest refusals"), refusals.element),
        el("section", {}, el("h2", {}, "Busiest destinations"), destinations.element),
        el("section", {}, queries.element, silent, dnsHealth),
      ),
    ),
  );
  const samples = new Samples();
  return {
    title: "Overview",
    root,
    load: () => Promise.all([get("/refusals", { limit: LATEST }), get("/destinations", { limit: LATEST })]),
    /**
     * @param {[Refusal[], Destination[]]} lists
     * @param {Overview} overview
     */
    show([refused, busiest], overview) {
      const { minutes, totals } = overview;
      samples.add(overview);
      requests.show(minutes);
      queries.show(minutes);
      phases.show(minutes);
      traffic.show(MEASURES.map((measure) => trafficRow(measure, overview, samples)));
      fill(open, JSON.stringify([totals.connections, totals.tunnels]), () => [
        "Open now: ",
        viewLink(["connections"], counted(totals.connections, "connection")),
        " of clients, ",
        viewLink(["tunnels"], counted(totals.tunnels, "tunnel")),
        ".",
      ]);
      setText(dnsHealth, dnsText(minutes));
      showSilent(silent, overview.silent_dns_servers);
      showConfiguration(configuration, overview);
      refusals.show(refused.slice(0, LATEST).map((refusal) => ({ refusal, now: overview.now })));
      destinations.show(busiest.filter((one) => one.last !== undefined).slice(0, LATEST));
    },
  };
}

/** The totals of the last seconds, of which the rate of now is made. */
class Samples {
  /** @type {{at: number, totals: import("/page/types.js").Totals}[]} */
  #kept = [];

  /** @param {Overview} overview */
  add(overview) {
    const at = Date.parse(overview.now);
    const last = this.#kept.at(-1);
    if (last !== undefined && (at < last.at || overview.totals.requests < last.totals.requests)) {
      // The gateway was started again.
      this.#kept = [];
    }
    this.#kept.push({ at, totals: overview.totals });
    while (this.#kept.length > 2 && at - this.#kept[0].at > NOW_MS) {
      this.#kept.shift();
    }
  }

  /**
   * What is added each second; undefined before there are two samples.
   * @param {Measure["key"]} key
   */
  rate(key) {
    const [first, last] = [this.#kept[0], this.#kept[this.#kept.length - 1]];
    const seconds = (last.at - first.at) / 1000;
    return seconds > 0 ? (last.totals[key] - first.totals[key]) / seconds : undefined;
  }
}

/** @typedef {{measure: Measure, now: number|undefined, minute: number, hour: number, all: number}} TrafficRow */

/**
 * @param {Measure} measure
 * @param {Overview} overview
 * @param {Samples} samples
 * @returns {TrafficRow}
 */
function trafficRow(measure, { minutes, totals }, samples) {
  const { key } = measure;
  const whole = minutes.at(-2) ?? minutes.at(-1);
  const hour = minutes.reduce((sum, minute) => sum + minute[key], 0);
  return { measure, now: samples.rate(key), minute: whole?.[key] ?? 0, hour, all: totals[key] };
}

function trafficTable() {
  /** @type {LiveTable<TrafficRow>} */
  const table = new LiveTable({
    caption: "Traffic now, in the last whole minute, over the last hour and since the start",
    columns: [
      {
        label: "What",
        show: (cell, { measure }) => fill(cell, measure.name, () => [viewLink([measure.link], measure.name)]),
      },
      numberColumn("Now", ({ measure, now }) =>
        measure.format === bytes && now !== undefined ? `${bytes(now)}/s` : rate(now),
      ),
      numberColumn("Last minute", ({ measure, minute }) => measure.format(minute)),
      numberColumn("Last hour", ({ measure, hour }) => measure.format(hour)),
      numberColumn("Since start", ({ measure, all }) => measure.format(all)),
    ],
    keyOf: ({ measure }) => measure.key,
    empty: "",
  });
  return table;
}

/**
 * @param {HTMLElement} element
 * @param {string[]} servers those that do not answer
 */
function showSilent(element, servers) {
  element.hidden = servers.length === 0;
  fill(element, JSON.stringify(servers), () => [
    el("strong", { class: "bad" }, servers.length === 1 ? "A DNS server does not answer: " : "DNS servers do not answer: "),
    servers.join(", "),
    ". ",
    viewLink(["dns"], "Servers"),
  ]);
}

/** @param {Minute[]} minutes */
function dnsText(minutes) {
  const sum = (/** @type {Minute[]} */ of) => ({
    queries: of.reduce((total, { dns }) => total + dns.queries, 0),
    missing: of.reduce((total, { dns }) => total + dns.not_found, 0),
    failures: of.reduce((total, { dns }) => total + dns.failures, 0),
  });
  const [recent, hour] = [sum(minutes.slice(-5)), sum(minutes)];
  if (hour.queries === 0) {
    return "No DNS server was asked in the last hour.";
  }
  const told = ({ queries = 0, failures = 0 }) => `${share(failures, queries)} of ${counted(queries, "query", "queries")}`;
  const missing = hour.missing === 0 ? "" : ` ${counted(hour.missing, "query was", "queries were")} for names that do not exist.`;
  return `Failed: ${told(recent)} in the last 5 minutes, ${told(hour)} in the last hour.${missing}`;
}

/**
 * @param {HTMLElement} element
 * @param {Overview} overview
 */
function showConfiguration(element, { generation, readiness }) {
  const version = JSON.stringify([generation, readiness]);
  fill(element, version, () => {
    const isHeld = generation.state === "held";
    const since = generation.since === undefined ? "" : ` since ${minuteOfDay(generation.since)}`;
    const troubles = readiness.troubles.map((trouble) => el("li", {}, trouble));
    return [
      el(
        "p",
        {},
        el("span", { class: readiness.ready ? "good" : "bad" }, readiness.ready ? "Ready" : "Not ready"),
        ". Generation ",
        viewLink(["generations", String(generation.number)], String(generation.number)),
        ` is served${since}; `,
        isHeld ? el("strong", { class: "warn" }, "a newer change is held back.") : "it is what is written.",
      ),
      generation.message !== "" && el("p", { class: "message" }, generation.message),
      troubles.length > 0 && el("ul", { class: "troubles" }, ...troubles),
      troubles.length === 0 && el("p", { class: "note" }, "No log and no exporter is in trouble."),
    ];
  });
}

function refusalTable() {
  /** @type {LiveTable<{refusal: Refusal, now: string}>} */
  const table = new LiveTable({
    caption: "The latest refusals",
    columns: [
      {
        label: "Host",
        kind: "host",
        show: (cell, { refusal }) => fill(cell, refusal.host, () => [viewLink(["refusals", refusal.host], refusal.host || "(no host)")]),
      },
      textColumn("Reason", ({ refusal }) => refusal.reason, { kind: "word" }),
      numberColumn("Times", ({ refusal }) => count(refusal.count)),
      numberColumn("Last", ({ refusal, now }) => ago(refusal.last, now)),
    ],
    keyOf: ({ refusal: { host, policy, rule, reason } }) => JSON.stringify([host, policy, rule, reason]),
    empty: "Nothing was refused.",
  });
  return table;
}

function destinationTable() {
  /** @type {LiveTable<Destination>} */
  const table = new LiveTable({
    caption: "The busiest destinations",
    columns: [
      {
        label: "Host",
        kind: "host",
        show: (cell, { host }) => fill(cell, host, () => [viewLink(["destinations", host], host)]),
      },
      numberColumn("Requests", ({ requests }) => count(requests)),
      numberColumn("Errors", ({ errors }) => count(errors)),
      numberColumn("p50", ({ latency }) => duration(latency?.p50)),
    ],
    keyOf: ({ host }) => host,
    empty: "Nothing was asked for yet.",
  });
  return table;
}
