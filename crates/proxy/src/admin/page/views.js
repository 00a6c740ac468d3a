/** The views by their names in the address: `#name`, `#name/what` or `#name?parameters`. */

import { configurationView } from "/page/configuration.js";
import { connectionsView, tunnelsView } from "/page/connections.js";
import { destinationView } from "/page/destination.js";
import { destinationsView } from "/page/destinations.js";
import { dnsView } from "/page/dns.js";
import { explainView } from "/page/explain.js";
import { generationsView } from "/page/generations.js";
import { overviewView } from "/page/overview.js";
import { refusalsView } from "/page/refusals.js";

/** @typedef {import("/page/types.js").Refresh} Refresh */
/** @typedef {(what: string, refresh: Refresh, parameters: URLSearchParams) => import("/page/types.js").View} MakeView */

/** @type {Record<string, MakeView>} */
const VIEWS = {
  overview: overviewView,
  destinations: (host, refresh) => (host === "" ? destinationsView(refresh) : destinationView(host, refresh)),
  refusals: refusalsView,
  dns: dnsView,
  configuration: configurationView,
  generations: generationsView,
  connections: connectionsView,
  tunnels: tunnelsView,
  explain: explainView,
};

/**
 * The view of a fragment; the overview for one that names none.
 * @param {string} fragment
 * @param {Refresh} refresh
 */
export function viewOf(fragment, refresh) {
  const [path, query] = fragment.slice(1).split("?", 2);
  const [, ...rest] = path.split("/").map(decode);
  return VIEWS[viewNameOf(fragment)](rest.join("/"), refresh, new URLSearchParams(query ?? ""));
}

/**
 * The name of the view of a fragment.
 * @param {string} fragment
 */
export function viewNameOf(fragment) {
  const name = fragment.slice(1).split(/[/?]/, 1)[0];
  return Object.hasOwn(VIEWS, name) ? name : "overview";
}

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
