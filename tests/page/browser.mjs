/** Chromium, and what the tests and the screenshots do with the page. */

import { chromium } from "playwright-core";

export const VIEWS = ["overview", "destinations", "refusals", "dns", "configuration", "generations", "connections", "tunnels", "explain"];

export function launch() {
  // As root, as in a container, Chromium has no sandbox.
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
}

/** Opens a view, and waits until it shows what the gateway answered. */
export async function open(page, admin, view) {
  await page.goto("about:blank");
  await page.goto(`${admin}#${view}`);
  await page.getByText(/^Updated \d/).waitFor();
}
