import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Page } from "playwright-core";
import type { Prompt } from "../src/types.ts";
import { openPhonePage, pairPage } from "./support/browser.ts";
import { type Dashboard, makePrompt, openDashboard } from "./support/dashboard.ts";
import { until } from "./support/until.ts";

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 60_000);
afterAll(() => dashboard.close());

/** The page of a session that asks this, on a narrow phone. */
async function asked(prompt: Prompt) {
  const socket = await dashboard.playRunner(prompt.session, [prompt]);
  const phone = await openPhonePage(dashboard.browser, dashboard.server.origin, {
    width: 320,
    height: 640,
  });
  await pairPage(phone, await dashboard.machine.mint("viewer"));
  await phone.page.goto(`${dashboard.server.origin}/#/s/${prompt.session}`);
  const card = phone.page.getByRole("alertdialog");
  await card.waitFor();
  const decided = async () => {
    const decide = await socket.next("decide");
    socket.send({ type: "decided", decision: decide.decision, result: "sent" });
    return decide;
  };
  const close = async () => {
    expect(phone.suspicious).toEqual([]);
    await phone.context.close();
    socket.close();
  };
  return { socket, page: phone.page, card, decided, close };
}

/** Nothing sticks out of a narrow screen, and whatever can be touched is large enough. */
async function expectFits(page: Page) {
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(320);
  for (const target of await page
    .locator(".card :is(button, .question label:not(.field), .question > input, .ways a)")
    .all())
    expect(
      Math.round((await target.boundingBox())?.height ?? 0),
      (await target.textContent()) ?? "",
    ).toBeGreaterThanOrEqual(48);
}

describe("a question that was read off the screen", () => {
  const input = {
    above: " Accessing workspace:\n\n /home/me/\u202eevil\n\n Do you trust it?",
    options: [{ label: "No, exit" }, { label: "Yes, I trust this folder" }],
    selected: 0,
    below: " Enter to confirm · Esc to cancel",
  };
  const screenPrompt = (session: string, view: object = {}): Prompt => ({
    ...makePrompt(session, `p_${session}`, { tool: "Screen", input, ...view }),
    kind: "screen",
  });

  test("says so, shows the rows, and is answered in two steps", async () => {
    const { page, card, decided, socket, close } = await asked(screenPrompt("steps"));
    await card.getByText("any program can paint this").waitFor();
    expect(await card.getByRole("heading").textContent()).toBe("A question on the screen");
    expect(await card.locator("pre").first().textContent()).toContain("U+202E");
    expect(await card.getByText("Tell Claude").count()).toBe(0);
    await expectFits(page);
    const send = card.getByRole("button", { name: "Choose one" });
    await until("it is armed", () => card.getByRole("button", { name: "Press Esc" }).isEnabled());
    expect(await send.isDisabled()).toBe(true);
    await card.getByRole("radio", { name: "No, exit" }).focus();
    await page.keyboard.press("ArrowDown");
    await card.getByRole("button", { name: "Send the choice" }).focus();
    await page.keyboard.press("Enter");
    const decide = await decided();
    expect(decide).toMatchObject({ action: "approve", answers: [{ options: [1] }] });
    const answer = {
      by: "viewer",
      device: decide.device,
      name: "x",
      decision: "approve",
      message: "Yes, I trust this folder",
      at: Date.now(),
      receipt: "applied",
    };
    socket.send({
      type: "prompt",
      prompt: { ...screenPrompt("steps"), state: "answered", answer },
    });
    await card.getByText("Answered “Yes, I trust this folder” — applied.").waitFor();
    await close();
  }, 30_000);

  test("is left with Esc, or sent away as no question, in the list of sessions too", async () => {
    const { page, card, decided, socket, close } = await asked(screenPrompt("away"));
    await card.getByRole("button", { name: "Press Esc" }).click();
    expect(await decided()).toMatchObject({ action: "reject" });
    await page.goto(`${dashboard.server.origin}/#/`);
    const listed = page.getByRole("alertdialog");
    await listed.getByRole("radio", { name: "Yes, I trust this folder" }).waitFor();
    await listed.getByRole("button", { name: "Not a question" }).click();
    expect(await decided()).toMatchObject({ action: "reject", dismiss: true });
    socket.send({ type: "prompt", prompt: { ...screenPrompt("away"), state: "withdrawn" } });
    await listed.getByText("no longer asked on the screen").waitFor();
    await close();
  }, 30_000);

  test("that can't be answered from afar only shows its options, and why", async () => {
    const { card, close } = await asked(
      screenPrompt("barred", {
        actions: [],
        note: "Several of these can be chosen: that is done at the desk.",
      }),
    );
    await card.getByText("that is done at the desk").waitFor();
    expect(await card.getByRole("radio").first().isDisabled()).toBe(true);
    await until("it is armed", () =>
      card.getByRole("button", { name: "Not a question" }).isEnabled(),
    );
    expect(await card.getByRole("button").allTextContents()).toEqual(["Not a question"]);
    await close();
  }, 30_000);
});

describe("what an MCP server asks", () => {
  const elicited = (session: string, input: object, view: object = {}): Prompt => ({
    ...makePrompt(session, `p_${session}`, {
      tool: "Elicitation",
      input: { server: "shop", message: "Where to?\n<b>", ...input },
      ...view,
    }),
    kind: "elicitation",
  });
  const field = (name: string, type: string, more: object = {}) => ({
    name,
    title: name.toUpperCase(),
    required: false,
    type,
    ...more,
  });

  test("is a form with labels, bounds and what is filled in beforehand, sent once it fits", async () => {
    const fields = [
      field("name", "text", { required: true, min: 2, max: 10, about: "of the thing" }),
      field("mail", "text", { format: "email" }),
      field("count", "integer", { min: 1, max: 9, value: 3 }),
      field("sure", "boolean", { value: true }),
      field("env", "one", { required: true, options: ["Development", "Production"] }),
      field("size", "one", { options: ["small", "large"] }),
      field("tags", "several", { options: ["a", "b", "c"], min: 1 }),
    ];
    const { page, card, decided, close } = await asked(elicited("form", { fields }));
    expect(await card.locator("pre").textContent()).toBe("Where to?\n<b>");
    await expectFits(page);
    const send = card.getByRole("button", { name: "Send" });
    await until("it is armed", () => card.getByRole("button", { name: "Decline" }).isEnabled());
    const name = card.getByRole("textbox", { name: /NAME/ });
    expect(await name.getAttribute("aria-describedby")).toBeTruthy();
    await card.getByText("of the thing · 2 to 10 characters").waitFor();
    await card
      .getByRole("group", { name: "ENV" })
      .getByRole("radio", { name: "Production" })
      .check();
    await name.fill("x");
    expect(await send.isDisabled()).toBe(true);
    await name.fill("rc 1");
    await card.getByRole("textbox", { name: /MAIL/ }).fill("nobody");
    expect(await send.isDisabled()).toBe(true);
    await card.getByRole("textbox", { name: /MAIL/ }).fill("a@b.example");
    await card.getByRole("spinbutton", { name: /COUNT/ }).fill("10");
    expect(await send.isDisabled()).toBe(true);
    await card.getByRole("spinbutton", { name: /COUNT/ }).fill("4");
    const tag = card.getByRole("group", { name: "TAGS" }).getByRole("checkbox", { name: "c" });
    // what is filled in above may move it from under the pointer
    await until("the tag is chosen", async () => {
      if (!(await tag.isChecked())) await tag.click();
      return tag.isChecked();
    });
    await send.click();
    expect(await decided()).toMatchObject({
      action: "approve",
      fields: ["rc 1", "a@b.example", 4, true, [1], null, [2]],
    });
    await close();
  }, 30_000);

  test("is a page with its whole address and its host set apart, to be opened, copied, and said to be done", async () => {
    const url = "https://login.example.com/deep/path?next=https://evil.example#x";
    const { page, card, decided, close } = await asked(elicited("page", { url }));
    expect(await card.locator(".path").textContent()).toBe(url);
    expect(await card.locator(".path strong").textContent()).toBe("login.example.com");
    const link = card.getByRole("link", { name: "Open" });
    expect([await link.getAttribute("href"), await link.getAttribute("rel")]).toEqual([
      url,
      "noopener noreferrer",
    ]);
    await expectFits(page);
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await card.getByRole("button", { name: "Copy" }).click();
    await card.getByText("Copied.").waitFor();
    await card.getByRole("button", { name: "Done there" }).click();
    expect(await decided()).toMatchObject({ action: "approve" });
    await close();
  }, 30_000);

  test("is never a link to anything but a page", async () => {
    const { card, decided, close } = await asked(
      elicited("script", { url: "javascript:alert(1)" }),
    );
    expect(await card.getByRole("link").count()).toBe(0);
    await card.getByRole("button", { name: "Decline" }).click();
    expect(await decided()).toMatchObject({ action: "reject" });
    await close();
  }, 30_000);
});
