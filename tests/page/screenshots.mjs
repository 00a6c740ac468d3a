/**
 * Writes the screenshots of docs/images. The gateway is real and under load; the hour before it started is made up, so that
 * the charts show what an hour looks like.
 */

import { mkdir } from "node:fs/promises";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { launch, open } from "./browser.mjs";
import { Gateway, policy } from "./gateway.mjs";

const MINUTE_MS = 60_000;
const LOAD_MS = 60_000;

/** Name, view, width, height, colours. */
const SHOTS = [
  ["admin-overview", "overview", 1280, 780, "light"],
  ["admin-overview-phone", "overview", 390, 844, "dark"],
  ["admin-destinations", "destinations", 1280, 580, "dark"],
  ["admin-refusals", "refusals", 1280, 560, "light"],
  ["admin-refusals-phone", "refusals", 390, 844, "light"],
  ["admin-generations", "generations", 1280, 540, "dark"],
];

/** Numbers that look random and are the same in every run. */
function noise(seed) {
  const value = Math.sin(seed * 12.9898) * 43758.5453;
  return value - Math.floor(value);
}

/** The minutes of an hour: those that the gateway has, and made up ones before. */
function wholeHour(minutes) {
  const [last] = minutes.slice(-1);
  const end = Date.parse(last.at);
  const made = Array.from({ length: 60 - minutes.length }, (_, slot) => {
    const isTrouble = slot > 30 && slot < 36;
    const requests = Math.round(9000 + 2500 * Math.sin(slot / 9) + 900 * noise(slot));
    const phase = (count, p50, p99) => ({
      count: Math.round(count),
      mean: p50 * 1.2,
      p50: p50 * (0.9 + 0.2 * noise(slot + p99)),
      p99: p99 * (0.8 + 0.4 * noise(slot + p50)) * (isTrouble ? 3 : 1),
    });
    const phases = {
      dns: phase(requests / 90, 0.9, 14),
      connect: phase(requests / 40, 0.6, 3),
      first_byte: phase(requests, 14, 90),
      total: phase(requests, 15, 110),
    };
    return {
      at: new Date(end - (59 - slot) * MINUTE_MS).toISOString(),
      requests,
      refused: Math.round(requests * (0.01 + 0.03 * noise(slot + 7))),
      failed: Math.round(requests * (isTrouble ? 0.12 : 0.003)),
      bytes_sent: requests * 400,
      bytes_received: requests * 2300,
      phases,
      dns: {
        queries: Math.round(requests / 90),
        not_found: Math.round(6 * noise(slot + 5)),
        failures: isTrouble ? 40 : Math.round(2 * noise(slot + 3)),
      },
    };
  });
  return [...made, ...minutes];
}

/** The counts of a destination's minutes, with made up ones before. */
function wholeDestination(destination, index) {
  const size = Math.max(...destination.minutes, 1);
  const minutes = destination.minutes.map((count, slot) =>
    slot < 58 ? Math.round(size * (0.5 + 0.3 * Math.sin(slot / 7 + index) + 0.3 * noise(slot * 9 + index))) : count,
  );
  return { ...destination, minutes };
}

async function changeAnswers(page) {
  await page.route("**/overview", async (route) => {
    const response = await route.fetch();
    const overview = await response.json();
    await route.fulfill({ json: { ...overview, minutes: wholeHour(overview.minutes.slice(-2)) } });
  });
  await page.route("**/destinations?*", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ json: (await response.json()).map(wholeDestination) });
  });
}

const into = path.join(process.env.ROOT, "docs/images");
await mkdir(into, { recursive: true });
const [browser, gateway] = await Promise.all([launch(), Gateway.start()]);
const load = gateway.load();
const tunnel = await gateway.tunnel("api.payments.example");
await pause(LOAD_MS);
await gateway.write("policy.yaml", policy(["*.payments.example", "registry.packages.example", "telemetry.example", "*.partner.example", "maps.example", "cdn.maps.example"]));
for (const [name, view, width, height, colorScheme] of SHOTS) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  await changeAnswers(page);
  await open(page, gateway.admin, view);
  // The rate of now needs two rounds.
  await pause(4500);
  const file = path.join(into, `${name}.png`);
  await page.screenshot({ path: file });
  console.log(file);
  await page.unrouteAll({ behavior: "ignoreErrors" });
  await context.close();
}
await load.stop();
tunnel.destroy();
await gateway.close();
await browser.close();
