/** The admin address: reads JSON, sends commands, and carries the admin token. */

const TOKEN_KEY = "egret-admin-token";
const TIMEOUT_MS = 5_000;

/** @typedef {Record<string, string | number | undefined> | [string, string][]} Parameters */

/** The gateway did not answer. */
export class Unanswered extends Error {}

/** The gateway answered, but not with what was asked for. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message || `The gateway answered with status ${status}.`);
    this.status = status;
  }

  /** Whether the admin token is missing or wrong. */
  get isUnauthorized() {
    return this.status === 401;
  }
}

/**
 * Reads JSON.
 * @param {string} path
 * @param {Parameters} [parameters] those that are undefined or empty are left out
 * @returns {Promise<any>}
 */
export async function get(path, parameters) {
  const response = await request("GET", path, parameters);
  try {
    return await response.json();
  } catch {
    throw new Unanswered(`The answer of ${path} broke off.`);
  }
}

/**
 * Sends a command, and returns the text of the answer.
 * @param {string} path
 * @param {Parameters} [parameters]
 */
export async function post(path, parameters) {
  const response = await request("POST", path, parameters);
  return (await response.text()).trim();
}

/** The token of this tab, if one was given. */
export function token() {
  return sessionStorage.getItem(TOKEN_KEY);
}

/**
 * Keeps the token until the tab is closed; null forgets it.
 * @param {string|null} value
 */
export function setToken(value) {
  if (value === null) {
    sessionStorage.removeItem(TOKEN_KEY);
  } else {
    sessionStorage.setItem(TOKEN_KEY, value);
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Parameters} [parameters]
 */
async function request(method, path, parameters = {}) {
  const query = new URLSearchParams();
  const pairs = Array.isArray(parameters) ? parameters : Object.entries(parameters);
  for (const [name, value] of pairs) {
    if (value !== undefined && value !== "") {
      query.append(name, String(value));
    }
  }
  const target = query.size > 0 ? `${path}?${query}` : path;
  const secret = token();
  /** @type {Record<string, string>} */
  const headers = secret === null ? {} : { authorization: `Bearer ${secret}` };
  let response;
  try {
    response = await fetch(target, {
      method,
      headers,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new Unanswered("The gateway does not answer.");
  }
  if (!response.ok) {
    const message = await response.text().catch(() => "");
    throw new Refused(response.status, message.trim().slice(0, 500));
  }
  return response;
}
