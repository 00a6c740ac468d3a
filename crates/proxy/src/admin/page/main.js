/** The page: which view is shown, its rounds, and what stands above and below every view. */

import { Refused, get, setToken, token } from "/page/api.js";
import { el, fill, setAttribute, setText } from "/page/dom.js";
import { counted, span, timeOfDay } from "/page/format.js";
import { LiveLoop } from "/page/live.js";
import { tokenForm } from "/page/token.js";
import { viewNameOf, viewOf } from "/page/views.js";

/** @typedef {import("/page/types.js").View} View */
/** @typedef {import("/page/types.js").Overview} Overview */

const ROUND_MS = 2000;

const main = element("content");
const loop = new LiveLoop(ROUND_MS, round);
const refresh = () => void loop.now();
const asking = tokenForm(refresh);
const problem = el("p", { class: "problem", role: "alert", hidden: true });

/** @type {View} */
let view = open();
/** When the last answer came. @type {number|null} */
let answeredAt = null;

/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** Opens the view that the address names. */
function open() {
  const opened = viewOf(location.hash, refresh);
  const name = viewNameOf(location.hash);
  for (const link of document.querySelectorAll("#views a")) {
    setAttribute(link, "aria-current", link.getAttribute("href") === `#${name}` ? "page" : null);
  }
  document.title = `${opened.title} \u2013 Egret`;
  problem.hidden = true;
  main.replaceChildren(problem, opened.root);
  return opened;
}

/** Reads and shows once. */
async function round() {
  const shown = view;
  const [overview, data] = await Promise.allSettled([get("/overview"), shown.load()]);
  const failure = [overview, data].find((result) => result.status === "rejected")?.reason;
  if (failure instanceof Refused && failure.isUnauthorized) {
    if (!asking.element.isConnected) {
      main.replaceChildren(asking.element);
    }
    asking.ask();
    setText(element("state"), "The admin token is needed.");
    return;
  }
  if (shown !== view) {
    loop.now();
    return;
  }
  if (asking.element.isConnected) {
    main.replaceChildren(problem, shown.root);
  }
  if (overview.status === "fulfilled") {
    showState(overview.value);
    if (data.status === "fulfilled") {
      shown.show(data.value, overview.value);
    }
  }
  showFailure(failure);
}

/**
 * What the gateway says of itself, above and below every view.
 * @param {Overview} overview
 */
function showState(overview) {
  const { generation, readiness } = overview;
  const isHeld = generation.state === "held";
  const state = element("state");
  const version = JSON.stringify([generation.number, isHeld, readiness.ready, readiness.troubles.length]);
  fill(state, version, () => [
    el("span", { class: readiness.ready ? "good" : "bad" }, readiness.ready ? "Ready" : "Not ready"),
    ", ",
    el("a", { href: "#generations" }, `generation ${generation.number}`),
    isHeld && el("span", {}, ", ", el("a", { href: "#configuration", class: "warn" }, "a change is held back")),
    readiness.troubles.length > 0 &&
      el("span", {}, ", ", el("a", { href: "#overview", class: "warn" }, counted(readiness.troubles.length, "trouble"))),
  ]);
  const running = span(Date.parse(overview.now) - Date.parse(overview.started));
  const workers = counted(overview.workers, "worker");
  setText(element("process"), `Egret ${overview.version}, ${workers}, running for ${running}`);
  element("forget").hidden = token() === null;
}

/**
 * Says whether what is shown is of now.
 * @param {any} failure
 */
function showFailure(failure) {
  const updated = element("updated");
  const isAnswered = failure === undefined || failure instanceof Refused;
  document.body.classList.toggle("stale", !isAnswered);
  if (isAnswered) {
    answeredAt = Date.now();
    setText(updated, loop.isPaused ? `Paused at ${timeOfDay(answeredAt)}` : `Updated ${timeOfDay(answeredAt)}`);
    setText(problem, failure === undefined ? "" : failure.message);
    problem.hidden = failure === undefined;
    return;
  }
  const since = answeredAt === null ? "" : ` What is shown is of ${timeOfDay(answeredAt)}.`;
  setText(updated, answeredAt === null ? "No answer yet" : `Stale since ${timeOfDay(answeredAt)}`);
  setText(problem, `The gateway does not answer; it is asked again every 2 s.${since}`);
  problem.hidden = false;
  // The next answer says anew what the state is.
  fill(element("state"), "stale", () => [el("span", { class: "bad" }, "No answer")]);
}

addEventListener("hashchange", () => {
  view = open();
  scrollTo(0, 0);
  const heading = view.root.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
  refresh();
});

element("skip").addEventListener("click", (event) => {
  // The fragment names a view, and would be taken for one.
  event.preventDefault();
  main.focus();
});

element("pause").addEventListener("click", () => {
  const isPaused = !loop.isPaused;
  loop.setPaused(isPaused);
  setAttribute(element("pause"), "aria-pressed", String(isPaused));
  setText(element("updated"), `${isPaused ? "Paused at" : "Updated"} ${timeOfDay(answeredAt ?? Date.now())}`);
});

element("forget").addEventListener("click", () => {
  setToken(null);
  refresh();
});

refresh();
