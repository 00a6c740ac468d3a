/** Explain: what would become of a request, without sending it. */

import { Refused, get } from "/page/api.js";
import { copyButton } from "/page/copy.js";
import { el, fill } from "/page/dom.js";
import { meaningOf } from "/page/reasons.js";

/** @typedef {Record<string, any>} Explanation */

/** The facts of an explanation that are one text, in the order of the decisions. */
const FACTS = [
  ["socket", "Socket"],
  ["listener", "Listener"],
  ["route", "Route"],
  ["backend", "Backend"],
  ["weight", "Weight"],
  ["user", "User"],
  ["scheme", "Scheme"],
  ["destination", "Destination"],
  ["verdict", "Verdict"],
  ["policy", "Decided by"],
  ["rule", "Rule"],
  ["rule_reason", "Reason of the rule"],
  ["status", "Status"],
  ["reason", "Reason"],
  ["details", "Details"],
];

/** The fields of the form that are sent as they are. */
const FIELDS = [
  ["method", "Method", "GET"],
  ["client", "Address of the client", "127.0.0.1"],
  ["user", "User", ""],
  ["certificate", "Certificate", ""],
  ["listener", "Listener", "all"],
  ["address", "Address it resolves to", ""],
];

/**
 * @param {string} _what
 * @param {import("/page/types.js").Refresh} refresh
 * @param {URLSearchParams} asked what the address of the view asks
 * @returns {import("/page/types.js").View}
 */
export function explainView(_what, refresh, asked) {
  const url = el("input", { id: "explain-url", name: "url", required: true, autocomplete: "off", spellcheck: "false", placeholder: "https://api.example.com/" });
  const forms = ["", "host", "absolute", "connect", "sni"].map((value) => el("option", { value }, value || "as usual for the scheme"));
  const via = el("select", { id: "explain-via", name: "via" }, ...forms);
  const headers = el("textarea", { id: "explain-header", rows: 2, spellcheck: "false", placeholder: "name: value" });
  const others = FIELDS.map(([name, , placeholder]) =>
    el("input", { id: `explain-${name}`, name, autocomplete: "off", spellcheck: "false", placeholder }),
  );
  url.value = asked.get("url") ?? "";
  via.value = asked.get("via") ?? "";
  headers.value = asked.getAll("header").join("\n");
  for (const field of others) {
    field.value = asked.get(field.name) ?? "";
  }
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const question = new URLSearchParams();
    for (const field of [url, via, ...others].filter(({ value }) => value.trim() !== "")) {
      question.append(field.name, field.value.trim());
    }
    for (const line of headers.value.split("\n").filter((text) => text.trim() !== "")) {
      question.append("header", line.trim());
    }
    const address = `#explain?${question}`;
    if (location.hash === address) {
      refresh();
    } else {
      // The question is part of the address, so that it can be sent to somebody.
      location.hash = address;
    }
  };
  const answer = el("div", { class: "answers" });
  const isMore = [via, headers, ...others].some(({ value }) => value !== "");
  const more = [
    ...labelled("explain-via", "Via", via),
    ...FIELDS.flatMap(([name, label], index) => labelled(`explain-${name}`, label, others[index])),
    ...labelled("explain-header", "Header fields, one a line", headers),
  ];
  const form = el(
    "form",
    { submit },
    el("div", { class: "question" }, ...labelled("explain-url", "URL", url)),
    el("details", { open: isMore }, el("summary", {}, "How it is sent, and by whom"), el("div", { class: "question" }, ...more)),
    el("button", { type: "submit" }, "Explain"),
    el("p", { class: "note" }, "The configuration that is served judges the request; nothing is sent, resolved or counted."),
  );
  return {
    title: "Explain",
    root: el("div", {}, el("h1", {}, "Explain a request"), el("div", { class: "explain" }, form, answer)),
    load: async () => (asked.size === 0 ? null : await ask(asked)),
    /** @param {Explanation[]|string|null} answers */
    show(answers) {
      fill(answer, JSON.stringify(answers), () => {
        if (answers === null) {
          return [];
        }
        return typeof answers === "string" ? [el("p", { class: "problem" }, answers)] : answers.map(explanation);
      });
    },
  };
}

/**
 * The explanations, or what is wrong with the question.
 * @param {URLSearchParams} question
 * @returns {Promise<Explanation[]|string>}
 */
async function ask(question) {
  try {
    const answer = await get("/explain", [...question]);
    return Array.isArray(answer) ? answer : [answer];
  } catch (error) {
    if (error instanceof Refused && error.status === 400) {
      return error.message;
    }
    throw error;
  }
}

/**
 * @param {string} id
 * @param {string} text
 * @param {HTMLElement} field
 */
function labelled(id, text, field) {
  return [el("label", { for: id }, text), field];
}

/** @param {Explanation} told */
function explanation(told) {
  const facts = FACTS.filter(([key]) => told[key] !== undefined).flatMap(([key, label]) => [el("dt", {}, label), el("dd", {}, String(told[key]))]);
  const meaning = typeof told.reason === "string" ? meaningOf(told.reason) : undefined;
  const isRefused = told.outcome === "refused" || told.verdict === "deny";
  const result = el("h2", { class: isRefused ? "bad" : "good" }, headline(told));
  const remedy = typeof told.remedy === "string" && told.remedy !== "" ? told.remedy : null;
  return el(
    "section",
    { class: "explanation" },
    result,
    meaning !== undefined && el("p", {}, meaning),
    remedy !== null && el("p", {}, copyButton("Copy remedy as YAML", () => remedy)),
    el("dl", { class: "figures" }, ...facts),
    ...list("Addresses", told.addresses, (one) => [one.address, one.verdict, one.reason, one.policy]),
    ...list("EgressPolicies that are asked", told.egress_policies, (one) => [one.policy, one.mode]),
    ...list("Decisions", told.decisions, (one) => [one.policy, one.rule, one.verdict, one.reason]),
    ...list("Fields of TrafficPolicies", told.traffic_policies, (one) => [one.field, one.policy, one.disabled && "disabled"]),
    ...list("Notes", told.notes ?? told.warnings, (one) => [one]),
  );
}

/** @param {Explanation} told */
function headline({ destination, outcome, status, verdict }) {
  const where = destination === undefined ? "" : ` ${destination}`;
  switch (outcome ?? verdict) {
    case "forwarded":
    case "allow":
      return `Forwarded to${where}`;
    case "tunnel":
      return `A tunnel is opened to${where}`;
    case "answered":
      return `Answered by the rule with ${status}`;
    default:
      return status === undefined ? "Refused" : `Refused with ${status}`;
  }
}

/**
 * @param {string} title
 * @param {any[]|undefined} items
 * @param {(item: any) => (string|false|undefined)[]} parts
 */
function list(title, items, parts) {
  if (items === undefined || items.length === 0) {
    return [];
  }
  const told = items.map((item) => el("li", {}, parts(item).filter(Boolean).join(", ")));
  return [el("h3", {}, title), el("ul", {}, ...told)];
}
