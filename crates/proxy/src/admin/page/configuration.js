/** Configuration: every object with its conditions, and what is not served as it was written. */

import { get } from "/page/api.js";
import { el, fill } from "/page/dom.js";
import { counted, timeOfDay } from "/page/format.js";
import { Pager } from "/page/pager.js";
import { LiveTable } from "/page/table.js";

/** @typedef {import("/page/types.js").Report} Report */
/** @typedef {import("/page/types.js").Condition} Condition */
/** @typedef {import("/page/types.js").Reference} Reference */
/** @typedef {import("/page/types.js").ReportedObject} ReportedObject */
/** @typedef {import("/page/types.js").Problem} Problem */

/** An object, or a part of one, that has conditions. */
/** @typedef {{object: string, place: string, part: string, conditions: Condition[], isFine: boolean}} Row */

/**
 * @param {string} _what
 * @param {import("/page/types.js").Refresh} refresh
 * @returns {import("/page/types.js").View}
 */
export function configurationView(_what, refresh) {
  /** @type {Report|null} */
  let report = null;
  const faultsOnly = el("input", { type: "checkbox", id: "faults-only" });
  const messages = el("input", { type: "checkbox", id: "messages" });
  const kind = el("select", { id: "kind" });
  /** @type {Pager<Row>} */
  const pager = new Pager({
    noun: "object",
    plural: "objects and listeners",
    isWhole: true,
    read: async () => {
      const read = /** @type {Report} */ (await get("/report"));
      report = read;
      // What is not fine comes first.
      const rows = read.objects.flatMap(rowsOf).sort((a, b) => Number(a.isFine) - Number(b.isFine));
      const wanted = kind.value === "" ? rows : rows.filter(({ object }) => object.startsWith(`${kind.value} `));
      return faultsOnly.checked ? wanted.filter(({ isFine }) => !isFine) : wanted;
    },
    words: ({ object, place, part, conditions }) =>
      [object, place, part, ...conditions.flatMap(({ type, reason, message }) => [type, reason, message])].join(" ").toLowerCase(),
    refresh,
    controls: [
      el("label", { for: "kind" }, "Kind"),
      kind,
      el("label", {}, faultsOnly, "Only faults"),
      el("label", {}, messages, "All messages"),
    ],
  });
  for (const control of [kind, faultsOnly]) {
    control.addEventListener("change", () => pager.restart());
  }
  messages.addEventListener("change", refresh);
  const table = objectTable(() => messages.checked);
  const state = el("div");
  return {
    title: "Configuration",
    root: el("div", {}, el("h1", {}, "Configuration"), state, pager.element, table.element),
    load: () => pager.load(),
    /** @param {Row[]} read */
    show(read) {
      if (report !== null) {
        showState(state, report);
        showKinds(kind, report);
      }
      table.show(pager.show(read));
    },
  };
}

/**
 * An object's own conditions, and those of its listeners, parents or ancestors, a row for each.
 * @param {ReportedObject} reported
 * @returns {Row[]}
 */
function rowsOf({ object, file, line, status }) {
  const place = file === "" ? "" : `${file}:${line}`;
  /** @type {[string, Condition[]][]} */
  const parts = [
    ...(status.conditions === undefined ? [] : [/** @type {[string, Condition[]]} */ (["", status.conditions])]),
    ...(status.listeners ?? []).map(({ name, attachedRoutes, conditions }) => {
      const part = `listener ${name}, ${counted(attachedRoutes, "route")}`;
      return /** @type {[string, Condition[]]} */ ([part, conditions]);
    }),
    ...(status.parents ?? []).map(({ parentRef, conditions }) => {
      return /** @type {[string, Condition[]]} */ ([`of ${referenceText(parentRef)}`, conditions]);
    }),
    ...(status.ancestors ?? []).map(({ ancestorRef, conditions }) => {
      return /** @type {[string, Condition[]]} */ ([`of ${referenceText(ancestorRef)}`, conditions]);
    }),
  ];
  return parts.map(([part, conditions]) => ({ object, place, part, conditions, isFine: conditions.every(isFine) }));
}

/** @param {Reference} reference */
function referenceText({ kind, namespace, name, sectionName, port }) {
  const section = sectionName === undefined ? "" : `, ${sectionName}`;
  const end = port === undefined ? section : `${section}, port ${port}`;
  return `${kind ?? "Gateway"} ${namespace === undefined ? "" : `${namespace}/`}${name}${end}`;
}

/**
 * Every condition is good when it is true, except Conflicted.
 * @param {Condition} condition
 */
function isFine({ type, status }) {
  return (status === "True") !== (type === "Conflicted");
}

/** @param {() => boolean} isVerbose whether the messages of good conditions are shown too */
function objectTable(isVerbose) {
  /** @type {LiveTable<Row>} */
  const table = new LiveTable({
    caption: "Objects with their conditions",
    columns: [
      {
        label: "Object",
        kind: "object",
        show: (cell, { object, place }) =>
          fill(cell, object + place, () => [object, place !== "" && el("span", { class: "below" }, place)]),
      },
      { label: "Part", kind: "part", show: (cell, { part }) => fill(cell, part, () => [part]) },
      { label: "Conditions", show: (cell, { conditions }) => showConditions(cell, conditions, isVerbose()) },
    ],
    keyOf: ({ object, place, part }) => `${object} ${place} ${part}`,
    empty: "No object.",
  });
  return table;
}

/**
 * @param {HTMLElement} cell
 * @param {Condition[]} conditions
 * @param {boolean} isVerbose
 */
function showConditions(cell, conditions, isVerbose) {
  fill(cell, JSON.stringify([conditions, isVerbose]), () => {
    if (isVerbose) {
      return [el("ul", { class: "plain" }, ...conditions.map(conditionItem))];
    }
    const good = conditions.filter(isFine).map(({ type, status }) => (status === "True" ? type : `not ${type}`));
    const bad = conditions.filter((condition) => !isFine(condition));
    return [
      bad.length > 0 && el("ul", { class: "plain" }, ...bad.map(conditionItem)),
      good.length > 0 && el("span", { class: "good" }, good.join(", ")),
    ];
  });
}

/** @param {Condition} condition */
function conditionItem(condition) {
  const { type, status, reason, message } = condition;
  const name = el("span", { class: isFine(condition) ? "good" : "bad" }, `${type} ${status}`);
  return el("li", {}, name, `, ${reason}: ${message}`);
}

/**
 * Offers the kinds that there are.
 * @param {HTMLSelectElement} select
 * @param {Report} report
 */
function showKinds(select, { objects }) {
  const kinds = [...new Set(objects.map(({ object }) => object.split(" ")[0]))];
  const chosen = select.value;
  fill(select, JSON.stringify(kinds), () => [
    el("option", { value: "" }, "All"),
    ...kinds.map((kind) => el("option", { value: kind }, kind)),
  ]);
  select.value = kinds.includes(chosen) ? chosen : "";
}

/**
 * @param {HTMLElement} element
 * @param {Report} report
 */
function showState(element, report) {
  const { appliedAt, errors, generation, held, problems, skipped, unbound, warnings } = report;
  fill(element, JSON.stringify([appliedAt, errors, generation, held, problems, skipped, unbound, warnings]), () => {
    const faults = [...errors, ...unbound, ...problems.map(problemText)];
    const keeps = held.map(({ object, generation: since, reason }) => `${object} is served as of generation ${since}: ${reason}`);
    const isWhole = faults.length + keeps.length === 0;
    const since = `Generation ${generation} is served since ${timeOfDay(appliedAt)}`;
    return [
      el("p", {}, `${since}; `, isWhole ? "it is what is written." : el("strong", { class: "warn" }, "not everything is served as it is written.")),
      findings("Faults", faults, "bad"),
      findings("Held back", keeps, "warn"),
      findings("Warnings", warnings.map(problemText), "warn"),
      skipped > 0 && el("p", { class: "note" }, `${counted(skipped, "object")} of other kinds skipped.`),
    ];
  });
}

/**
 * @param {string} title
 * @param {string[]} texts
 * @param {string} kind
 */
function findings(title, texts, kind) {
  if (texts.length === 0) {
    return null;
  }
  const items = texts.map((text) => el("li", {}, text));
  return el("section", { class: "findings" }, el("h2", { class: kind }, `${title} (${texts.length})`), el("ul", {}, ...items));
}

/** @param {Problem} problem */
function problemText({ file, line, object, field, message }) {
  const place = file === "" ? "" : line > 0 ? `${file}:${line}` : file;
  return [place, object ?? "", field, message].filter((part) => part !== "").join(": ");
}
