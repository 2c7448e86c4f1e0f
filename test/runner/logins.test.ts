import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { loginAddress } from "../../src/runner/logins.ts";
import { openScreen } from "../../src/runner/screen.ts";

const quiet = { onChange: () => undefined, onHold: () => undefined, onHistory: () => undefined };
async function loginOn(output: string | Uint8Array, cols = 80, rows = 24) {
  const screen = openScreen({ ...quiet, cols, rows });
  screen.feed(typeof output === "string" ? new TextEncoder().encode(output) : output);
  await screen.settled();
  return screen.login();
}
const OAUTH = `https://login.example.com/oauth/authorize?client_id=9d1c&state=${"x".repeat(90)}`;

describe("a login address", () => {
  test.each([
    ["OAuth", OAUTH],
    ["a device login", "https://github.com/login/device"],
    ["a device login with its code", "https://device.sso.example.com/?user_code=ABCD-EFGH"],
    ["a command line's own", "https://www.npmjs.com/auth/cli/0b3c4f3a"],
    ["Microsoft's", "https://microsoft.com/devicelogin"],
  ])("is %s", (_, url) => expect(loginAddress(url)).toBe(url));

  test.each([
    ["any page", "https://example.com/docs/overview"],
    ["a page about logins", "https://docs.example.com/auth/overview"],
    ["plain HTTP", "http://example.com/login"],
    ["a script", "javascript:alert(1)//login"],
    ["one with a password", "https://me:hunter2@example.com/login"],
    ["one that holds a secret", "https://example.com/login?api_key=abcdef0123456789"],
    ["one with signs from elsewhere", "https://exаmple.com/login"],
    ["an endless one", `https://example.com/login?x=${"y".repeat(5000)}`],
  ])("is not %s", (_, url) => expect(loginAddress(url)).toBeUndefined());

  const PACKED = `https://claude.ai/oauth/authorize?z-${"gR_arbFGazM110KPgqjD2H-0NBOfwO-dOMjIqTOKCYs"}`;
  test.each([
    ["Claude Code's short form", PACKED],
    ["that with more", `${PACKED}&login_hint=me%40example.com`],
    ["that of an account for the API", PACKED.replace("claude.ai", "platform.claude.com")],
    [
      "one whose details were sent before",
      "https://id.example.com/authorize?client_id=a&request_uri=urn%3Ax",
    ],
  ])("is %s", (_, url) => expect(loginAddress(url)).toBe(url));
  test.each([
    ["with nothing behind it", "https://claude.ai/oauth/authorize?"],
    ["with the tail of something else", "https://claude.ai/oauth/authorize?fwO-dOMjIqTOKCYs"],
    ["with a line's words", "https://claude.ai/oauth/authorize?Paste"],
    ["of another, in Claude's short form", PACKED.replace("claude.ai", "login.example.com")],
    ["cut off after the client", "https://login.example.com/oauth/authorize?client_id=9d1c250a"],
    ["without a client", "https://login.example.com/oauth2/v2.0/authorize?state=x&scope=y"],
  ])("is no page that asks %s", (_, url) => expect(loginAddress(url)).toBeUndefined());

  test("is none in what a hostile file prints, however long that is", async () => {
    const began = performance.now();
    expect(
      await loginOn(
        `\x1b]8;;https://example.com/login?${")".repeat(500_000)}x\x07words\x1b]8;;\x07`,
      ),
    ).toBeUndefined();
    expect(performance.now() - began).toBeLessThan(10_000); // it took minutes
  }, 300_000);

  test("ends where the sentence goes on", () =>
    expect(loginAddress("https://github.com/login/device).")).toBe(
      "https://github.com/login/device",
    ));
});

describe("the screen", () => {
  test.each([
    ["login-url-80x24", "bO4A89tStD_Of2ixjvxgyCFLBw4d62dicw74vb6LpIY"],
    ["auth-login-80x24", "mrDGegoOrrr8mwnfxHNtErfIUxcyjG2e0TpwkRC4_xY"],
  ])(
    "of the real CLI names its login page whole, and that it takes a code: %s",
    async (name, state) => {
      const login = await loginOn(
        readFileSync(join(import.meta.dir, `../fixtures/screens/${name}.raw`)),
      );
      expect(login?.url).toStartWith(
        "https://claude.com/cai/oauth/authorize?code=true&client_id=9d1c250a-e61b-44d9-88ed-5944d1962f5e&response_type=code",
      );
      expect(login?.url).toEndWith(`&state=${state}`);
      expect(login?.pastes).toBe(true);
    },
  );

  test("of a newer CLI shows a short form, which is what a terminal would open", async () => {
    const raw = readFileSync(join(import.meta.dir, "../fixtures/screens/login-short-80x24.raw"));
    const link = raw.toString("latin1").split("\u001b]8;")[1]; // OSC 8
    const opens = /^[^;]*;(https:[\x21-\x7e]+)/.exec(link ?? "")?.[1];
    expect(opens).toMatch(/^https:\/\/claude\.ai\/oauth\/authorize\?[\w-]{45}$/);
    expect(await loginOn(raw)).toEqual({ url: opens ?? "", pastes: true });
  });

  test("puts no address together from rows that don't belong together", async () => {
    const start = "https://claude.ai/oauth/authorize?";
    const tail = "z-gR_arbFGazM110KPgqjD2H-0NBOfwO-dOMjIqTOKCYs";
    for (const [output, cols] of [
      [`${start}\r\n${tail}`, start.length],
      [`${start}z-gR_arbF\r\nGazM110KPgqjD2H-0NBOfwO-dOMjIqTOKCYs`, start.length + 9],
      [`https://id.example.com/authorize?client_id=a\r\nPaste`, 44],
    ] as const)
      expect(await loginOn(output, cols)).toBeUndefined();
  });

  test("is read through the terminal's own wrapping, and a program's", async () => {
    expect((await loginOn(`Visit: ${OAUTH}\r\nThen come back`, 40))?.url).toBe(OAUTH);
    const cut = OAUTH.match(/.{1,40}/g)?.join("\r\n") ?? "";
    expect((await loginOn(`Visit\r\n${cut}\r\nPaste the code here:`, 40))?.url).toBe(OAUTH);
  });

  test("a link that shows other words leads where it leads, while its words are there", async () => {
    const link = `\x1b]8;;${OAUTH}\x07Sign in here\x1b]8;;\x07`;
    expect(await loginOn(link)).toEqual({ url: OAUTH, pastes: false });
    expect(await loginOn(`${link}\x1b[2J\x1b[H`)).toBeUndefined();
    expect(await loginOn(`${link}\r\n`.repeat(500))).toEqual({ url: OAUTH, pastes: false });
  });

  test("names none where there is none", async () => {
    expect(await loginOn("see https://example.com/docs and log in")).toBeUndefined();
    expect(await loginOn("\x1b]8;;https://example.com/login\x07x\x1b]8;;\x07")).toBeUndefined(); // words too short to be found again
  });
});
