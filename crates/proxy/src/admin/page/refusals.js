/** Refusals: what was refused, by which rule, why, and what would allow it. */

import { get } from "/page/api.js";
import { copyButton } from "/page/copy.js";
import { el, fill, setText, viewAddress, viewLink } from "/page/dom.js";
import { ago, count, timeOfDay } from "/page/format.js";
import { Pager } from "/page/pager.js";
import { adviceOf, isFailure, meaningOf } from "/page/reasons.js";
import { LiveTable, numberColumn } from "/page/table.js";

/** @typedef {import("/page/types.js").Refusal} Refusal */
/** @typedef {import("/page/types.js").Overview} Overview */
/** @typedef {{refusal: Refusal, now: string}} Row */

/** What the gateway keeps. */
const MOST = 1000;

/**
 * @param {string} host the only one that is shown; all for none
 * @param {import("/page/types.js").Refresh} refresh
 * @returns {import("/page/types.js").View}
 */
export function refusalsView(host, refresh) {
  /** @type {Pager<Refusal>} */
  const pager = new Pager({
    noun: "refusal",
    most: MOST,
    read: (limit) => get("/refusals", { host, limit }),
    words: (refusal) =>
      [refusal.host, refusal.policy, refusal.rule, refusal.reason, refusal.method, refusal.message].join(" ").toLowerCase(),
    refresh,
  });
  const table = refusalTable();
  const only = host === "" ? null : el("p", { class: "crumb" }, `Of ${host} only. `, viewLink(["refusals"], "Show all"));
  return {
    title: "Refusals",
    root: el("div", {}, el("h1", {}, "Refusals"), only, pager.element, table.element),
    load: () => pager.load(),
    /**
     * @param {Refusal[]} read
     * @param {Overview} overview
     */
    show: (read, { now }) => table.show(pager.show(read), now),
  };
}

/** The table of refusals, of which each has its remedy below. */
export function refusalTable() {
  /** @type {LiveTable<Row>} */
  const table = new LiveTable({
    caption: "Refusals, the latest first",
    columns: [
      {
        label: "Host",
        kind: "host",
        show: (cell, { refusal: { host } }) =>
          fill(cell, host, () => [host === "" ? "(no host)" : viewLink(["destinations", host], host)]),
      },
      {
        label: "Decided by",
        kind: "object",
        show: (cell, { refusal: { policy, reason, rule } }) =>
          fill(cell, JSON.stringify([policy, reason, rule]), () => {
            const [first, second] = decision(policy, rule, reason);
            return [el("span", {}, first), el("span", { class: "below" }, second)];
          }),
      },
      { label: "Reason", show: showReason },
      numberColumn("Times", ({ refusal }) => count(refusal.count)),
      {
        label: "Last",
        isNumber: true,
        show: (cell, { refusal, now }) => {
          setText(cell, ago(refusal.last, now));
          cell.title = `first ${timeOfDay(refusal.first)}, last ${timeOfDay(refusal.last)}`;
        },
      },
    ],
    keyOf: ({ refusal: { host, policy, rule, reason } }) => JSON.stringify([host, policy, rule, reason]),
    empty: "Nothing was refused.",
    showDetail: (cell, { refusal }) => showRemedy(cell, refusal),
  });
  return {
    element: table.element,
    /**
     * @param {Refusal[]} refusals
     * @param {string} now
     */
    show: (refusals, now) => table.show(refusals.map((refusal) => ({ refusal, now }))),
  };
}

/**
 * Who decided, in two lines.
 * @param {string} policy
 * @param {string} rule
 * @param {string} reason
 */
function decision(policy, rule, reason) {
  if (isFailure(reason)) {
    const by = rule === "" ? policy : `rule ${rule} of ${policy}`;
    return ["nobody: it failed", policy === "" ? "" : `${by} let it through`];
  }
  if (policy === "") {
    return ["the gateway", ""];
  }
  const isAllowList = rule === "" && policy.startsWith("EgressPolicy ") && reason === "egress_policy";
  return [policy, isAllowList ? "no rule allows it" : rule === "" ? "" : `rule ${rule}`];
}

/**
 * @param {HTMLElement} cell
 * @param {Row} row
 */
function showReason(cell, { refusal: { reason, method, message } }) {
  fill(cell, JSON.stringify([reason, method, message]), () => [
    el("code", {}, reason),
    method !== "" && el("span", { class: "quiet" }, ` ${method}`),
    el("span", { class: "below" }, message || (meaningOf(reason) ?? "")),
  ]);
}

/**
 * Says below a row what would help; false if nothing is known to.
 * @param {HTMLElement} cell
 * @param {Refusal} refusal
 */
function showRemedy(cell, { host, method, policy, reason, remedy }) {
  const advice = adviceOf(reason);
  fill(cell, JSON.stringify([host, method, policy, reason, remedy]), () => {
    const isPlain = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/.test(method);
    const url = `${isPlain ? "http" : "https"}://${host}/`;
    const explain =
      host !== "" && el("a", { href: `${viewAddress("explain")}?${new URLSearchParams({ url })}` }, "Explain");
    if (remedy === "") {
      return [el("div", { class: "remedy" }, advice ?? "", explain)];
    }
    const label = `Remedy for ${host} as YAML`;
    return [
      el(
        "div",
        { class: "remedy" },
        el("span", {}, `Remedy: replace ${policy} with a version that allows ${host}.`),
        copyButton("Copy remedy as YAML", () => remedy),
        explain,
        el("details", {}, el("summary", {}, "Show YAML"), el("pre", { tabindex: 0, role: "region", "aria-label": label }, remedy)),
      ),
    ];
  });
  return host !== "" || remedy !== "" || advice !== undefined;
}
