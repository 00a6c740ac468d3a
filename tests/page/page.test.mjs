/** The admin page, as somebody on call uses it, against a gateway under load. */

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";

import { AxeBuilder } from "@axe-core/playwright";

import { VIEWS, launch, open } from "./browser.mjs";
import { Gateway, policy, until } from "./gateway.mjs";

const WIDTHS = [1280, 390];
const SCHEMES = ["light", "dark"];
const DENIED = "paste.example";

let browser;
let gateway;
let load;
let tunnel;
let page;
/** What the browser complains about: blocked scripts, styles and requests, errors of scripts. */
let complaints;

before(async () => {
  [browser, gateway] = await Promise.all([launch(), Gateway.start()]);
  load = gateway.load();
  tunnel = await gateway.tunnel("api.payments.example");
});

after(async () => {
  await load?.stop();
  tunnel?.destroy();
  await gateway?.close();
  await browser?.close();
});

beforeEach(async () => {
  page = await newPage({ permissions: ["clipboard-read", "clipboard-write"] });
});

afterEach(async () => {
  await page.context().close();
});

async function newPage(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: "reduce", ...options });
  const opened = await context.newPage();
  complaints = [];
  opened.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  opened.on("pageerror", (error) => complaints.push(String(error)));
  return opened;
}

/** The row of a table that begins with this name. */
function row(name) {
  return page.getByRole("row").filter({ has: page.getByRole("rowheader", { name, exact: true }) });
}

describe("a refused request", () => {
  test("is found with its rule, and passes once the copied remedy is applied", async () => {
    await until("a refusal", async () => (await gateway.request(DENIED)) === 403);
    await open(page, gateway.admin, "overview");
    await page.getByRole("navigation").getByRole("link", { name: "Refusals" }).click();
    await page.getByLabel("Search refusals").fill(DENIED);
    const found = row(DENIED);
    await found.getByText("EgressPolicy egress/partners", { exact: true }).waitFor();
    await found.getByText("egress_policy").waitFor();

    await page.getByRole("button", { name: "Copy remedy as YAML" }).click();
    await page.getByText("Copied").waitFor();
    const remedy = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(remedy, /name: "?partners/);
    await gateway.write("policy.yaml", remedy);
    await until("the request passes", async () => (await gateway.request(DENIED)) === 200);

    await page.getByRole("navigation").getByRole("link", { name: "Generations" }).click();
    await page.locator("ins", { hasText: DENIED }).first().waitFor();
    await gateway.write("policy.yaml", policy(["*.example"]));
    assert.deepEqual(complaints, []);
  });

  test("names the rule that denies it", async () => {
    await until("a refusal", async () => (await gateway.request("mail.example")) === 403);
    await open(page, gateway.admin, "refusals");
    await row("mail.example").getByText("rule no-mail", { exact: true }).waitFor();
  });

  test("can be explained", async () => {
    await open(page, gateway.admin, "explain");
    await page.getByLabel("URL").fill("http://mail.example/");
    await page.getByRole("button", { name: "Explain" }).click();
    await page.getByRole("heading", { name: "Refused with 403" }).waitFor();
    await page.getByText("no-mail", { exact: true }).waitFor();
    await page.getByLabel("URL").fill("nonsense://");
    await page.getByRole("button", { name: "Explain" }).click();
    await page.getByText("not a URL").waitFor();
  });
});

test("the overview has the traffic", async () => {
  await open(page, gateway.admin, "overview");
  const requests = row("Requests").getByRole("cell");
  await until("a rate", async () => /[1-9]/.test(await requests.first().innerText()));
  await page.getByRole("img", { name: /Requests a minute, .* Served [1-9]/ }).waitFor();
  await page.getByText(/Open now: [1-9]\d* connections? of clients, 1 tunnel/).waitFor();
  assert.deepEqual(complaints, []);
});

test("destinations are sorted, searched and opened", async () => {
  await open(page, gateway.admin, "destinations");
  await page.getByRole("button", { name: "Errors" }).click();
  await page.getByRole("columnheader", { name: "Errors" }).and(page.locator("[aria-sort=descending]")).waitFor();
  await page.getByLabel("Search destinations").fill("payments");
  await until("one row", async () => (await page.getByRole("rowheader").count()) === 1);
  await page.getByRole("link", { name: "api.payments.example" }).click();
  await page.getByRole("heading", { name: "api.payments.example" }).waitFor();
  await row(`127.0.0.1:${gateway.upstreamPort}`).getByText("healthy").waitFor();
});

test("ten thousand destinations are paged and searched", async () => {
  const template = await (await fetch(`${gateway.admin}destinations?limit=1`)).json();
  const many = Array.from({ length: 10_000 }, (_, number) => ({ ...template[0], host: `host-${number}.example` }));
  await page.route("**/destinations?*", (route) => {
    const limit = Number(new URL(route.request().url()).searchParams.get("limit"));
    return route.fulfill({ json: many.slice(0, limit) });
  });
  await open(page, gateway.admin, "destinations");
  await page.getByText("1 to 100 of more than 100").waitFor();
  await page.getByRole("button", { name: "Next page" }).click();
  await row("host-150.example").waitFor();
  await page.getByLabel("Search destinations").fill("host-77");
  await page.getByText("1 to 100 of 111", { exact: true }).waitFor();
  await row("host-7700.example").waitFor();
  assert.equal(await page.getByRole("rowheader").count(), 100);
});

test("a name is flushed", async () => {
  await gateway.request("once.partner.example");
  await open(page, gateway.admin, "dns");
  await page.getByLabel("Search names").fill("once.partner");
  await row("once.partner.example").getByRole("button", { name: "Flush" }).click();
  await row("once.partner.example").waitFor({ state: "detached" });
  const caches = await (await fetch(`${gateway.admin}dns`)).json();
  assert.ok(!JSON.stringify(caches).includes("once.partner.example"));

  await gateway.request("again.partner.example");
  await page.getByLabel("Forget a name").fill("again.partner.example");
  await page.getByRole("button", { name: "Flush this name" }).click();
  await page.getByText("again.partner.example: 1 forgotten").waitFor();
});

test("a reload shows with its diff, and a fault with its place", async () => {
  await open(page, gateway.admin, "generations");
  await gateway.write("policy.yaml", policy(["*.example", "*.reloaded.example"]));
  const latest = page.locator("details").first();
  await latest.locator("ins", { hasText: "*.reloaded.example" }).waitFor({ state: "attached" });

  await gateway.write("policy.yaml", policy(["no host"]));
  await open(page, gateway.admin, "configuration");
  await page.getByText("not everything is served as it is written").waitFor();
  await page.getByText(/policy\.yaml:\d+.*the host has a character/).first().waitFor();
  await gateway.write("policy.yaml", policy(["*.example"]));
  await page.getByText("it is what is written").waitFor();
});

test("open connections and tunnels are listed", async () => {
  await open(page, gateway.admin, "connections");
  await page.getByRole("row").filter({ hasText: "egress/http/http" }).first().waitFor();
  await open(page, gateway.admin, "tunnels");
  await row("api.payments.example").getByText("connect", { exact: true }).waitFor();
});

test("a gateway that does not answer leaves what was shown, and says since when", async () => {
  await open(page, gateway.admin, "destinations");
  await row("api.payments.example").waitFor();
  gateway.process.kill("SIGSTOP");
  try {
    await page.getByText(/^Stale since \d/).waitFor();
    await row("api.payments.example").waitFor();
  } finally {
    gateway.process.kill("SIGCONT");
  }
  await page.getByText(/^Updated \d/).waitFor();
});

test("an address that names no view shows the overview", async () => {
  for (const fragment of ["", "none", "%", "toString/x"]) {
    await open(page, gateway.admin, fragment);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
  }
  assert.deepEqual(complaints, []);
});

test("a paused page does not change", async () => {
  await open(page, gateway.admin, "destinations");
  await page.getByRole("button", { name: "Pause updates" }).click();
  await page.getByText(/^Paused at \d/).waitFor();
  let asked = 0;
  page.on("request", () => (asked += 1));
  await page.waitForTimeout(3000);
  assert.equal(asked, 0);
  await page.getByRole("button", { name: "Pause updates" }).click();
  await page.getByText(/^Updated \d/).waitFor();
});

test("the keyboard reaches the content and the views", async () => {
  await open(page, gateway.admin, "overview");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "content");
  await page.getByRole("link", { name: "DNS", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "DNS", level: 1 }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "H1");
});

test("what has the focus keeps it while the numbers change", async () => {
  await open(page, gateway.admin, "destinations");
  const link = row("maps.example").getByRole("link");
  await link.focus();
  const requests = row("maps.example").getByRole("cell").nth(1);
  const told = await requests.innerText();
  await until("another number", async () => (await requests.innerText()) !== told);
  assert.ok(await link.evaluate((element) => element === document.activeElement));
});

test("the page asks for the token, and keeps it in the tab only", async () => {
  const secret = "a-token-of-the-test";
  const guarded = await Gateway.start({ EGRET_ADMIN_TOKEN: secret });
  try {
    await page.goto(guarded.admin);
    await page.getByLabel("Token").fill("wrong");
    await page.getByRole("button", { name: "Use this token" }).click();
    await page.getByText("That is not the token").waitFor();
    await page.getByLabel("Token").focus();
    await page.waitForResponse("**/overview");
    await page.waitForResponse("**/overview");
    assert.equal(await page.evaluate(() => document.activeElement?.id), "token", "the form stays while the page asks again");
    await page.getByLabel("Token").fill(secret);
    await page.getByRole("button", { name: "Use this token" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    const kept = await page.evaluate(() => [Object.values(sessionStorage), Object.values(localStorage), document.cookie]);
    assert.deepEqual(kept, [[secret], [], ""]);
    await page.getByRole("button", { name: "Forget the admin token" }).click();
    await page.getByLabel("Token").waitFor();
  } finally {
    await guarded.close();
  }
});

for (const width of WIDTHS) {
  for (const colorScheme of SCHEMES) {
    test(`axe finds nothing, ${width} pixels, ${colorScheme}`, async () => {
      await page.context().close();
      page = await newPage({ viewport: { width, height: 844 }, colorScheme });
      const question = `explain?${new URLSearchParams({ url: "http://mail.example/" })}`;
      for (const view of [...VIEWS, "destinations/api.payments.example", "refusals/mail.example", question]) {
        await open(page, gateway.admin, view);
        await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
        const { violations } = await new AxeBuilder({ page }).analyze();
        const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
        assert.deepEqual(told, [], view);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `${view} is ${overflow} pixels too wide`);
      }
      assert.deepEqual(complaints, []);
    });
  }
}
