/** Generations: what each change of the configuration brought, changed and took away. */

import { get } from "/page/api.js";
import { diffLines, hunks } from "/page/diff.js";
import { el, setText } from "/page/dom.js";
import { counted, timeOfDay } from "/page/format.js";

/** @typedef {import("/page/types.js").Generation} Generation */

const MARKS = { same: " ", added: "+", removed: "-" };
const MOST_NAMES = 200;
/** Lines around a change: enough to see the rule that it is in. */
const AROUND = 5;

/**
 * @param {string} wanted the number of the generation that is opened; the latest for none
 * @returns {import("/page/types.js").View}
 */
export function generationsView(wanted) {
  const list = el("div", { class: "generations" });
  const empty = el("p", { class: "empty" }, "Waiting for the gateway.");
  const unchanged = el("p", { hidden: true });
  /** @type {Map<string, HTMLElement>} */
  let shown = new Map();
  return {
    title: "Generations",
    root: el("div", {}, el("h1", {}, "Generations"), empty, unchanged, list),
    load: () => get("/generations"),
    /** @param {Generation[]} generations newest first */
    show(generations) {
      empty.textContent = "No configuration was read yet.";
      empty.hidden = generations.length > 0;
      // Files that are read again without a change make a generation, but no entry.
      const opened = wanted === "" ? generations[0] : generations.find(({ number }) => number <= Number(wanted));
      unchanged.hidden = wanted === "" || opened === undefined || String(opened.number) === wanted;
      setText(unchanged, `Generation ${wanted} changed nothing: what it serves came with generation ${opened?.number}.`);
      /** @type {Map<string, HTMLElement>} */
      const next = new Map();
      for (const generation of generations) {
        const key = JSON.stringify(generation);
        next.set(key, shown.get(key) ?? entry(generation, generation === opened));
      }
      const elements = [...next.values()];
      if (elements.length !== list.childElementCount || elements.some((element, at) => element !== list.children[at])) {
        list.replaceChildren(...elements);
      }
      shown = next;
    },
  };
}

/**
 * @param {Generation} generation
 * @param {boolean} isOpen
 */
function entry(generation, isOpen) {
  const { added, changed, message, number, removed } = generation;
  const parts = [
    changed.length > 0 && `${changed.length} changed`,
    added.length > 0 && `${added.length} added`,
    removed.length > 0 && `${removed.length} removed`,
  ].filter((part) => part !== false);
  const title = el("h2", {}, `Generation ${number}`);
  const about = el("span", { class: "quiet" }, `${timeOfDay(generation.at)}, ${parts.join(", ") || "no object changed"}`);
  const element = el("details", { class: "generation" }, el("summary", {}, title, " ", about));
  // What is long is made when it is looked at.
  element.addEventListener("toggle", () => {
    if (element.open && element.childElementCount === 1) {
      element.append(content(generation));
    }
  });
  if (message !== "") {
    element.firstElementChild?.append(" ", el("span", { class: "warn" }, message));
  }
  element.open = isOpen;
  return element;
}

/** @param {Generation} generation */
function content({ added, changed, number, removed }) {
  return el(
    "div",
    {},
    ...changed.map(({ object, before, after }) => {
      const label = `What generation ${number} changed in ${object}`;
      return el("section", {}, el("h3", {}, object), diff(label, before, after));
    }),
    names("Added", added),
    names("Removed", removed),
  );
}

/**
 * @param {string} title
 * @param {string[]} objects
 */
function names(title, objects) {
  if (objects.length === 0) {
    return null;
  }
  const told = objects.slice(0, MOST_NAMES).map((object) => el("li", {}, object));
  const rest = objects.length - told.length;
  return el("section", {}, el("h3", {}, title), el("ul", { class: "names" }, ...told, rest > 0 && el("li", {}, `and ${counted(rest, "more", "more")}`)));
}

/**
 * @param {string} label what a screen reader says: several generations may change one object
 * @param {string} before
 * @param {string} after
 */
function diff(label, before, after) {
  const pieces = hunks(diffLines(before, after), AROUND);
  if (pieces.length === 0) {
    return el("p", { class: "note" }, "Its content is not shown here.");
  }
  const lines = pieces.flatMap((piece, index) => [
    index > 0 && el("span", { class: "gap" }, "\u22ef\n"),
    ...piece.map(({ kind, text }) => {
      const line = `${MARKS[kind]} ${text}\n`;
      return kind === "same" ? line : el(kind === "added" ? "ins" : "del", {}, line);
    }),
  ]);
  return el("pre", { class: "diff", tabindex: 0, role: "region", "aria-label": label }, ...lines);
}
