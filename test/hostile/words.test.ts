import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { savePairing } from "../../src/runner/pairing.ts";
import { emptyHome, SELF } from "../support/home.ts";
import { openTty } from "../support/tty.ts";

/** What a terminal would obey, or a person would not see: colours, a title, the clipboard, C1 forms of them, a line that overwrites, direction. */
const ORDERS = [
  "\x1b[31m\x1b]0;owned\x07",
  "\x1b]52;c;b3duZWQ=\x07",
  "\x9b31m\x9d0;owned\x9c",
  "paid\rfree\b\b",
  "\u202egnp.exe\u2066\u200b",
  "\x7f\x00\x05",
];
const EVIL = ORDERS.join("x");
/** Nothing of that in what a command printed: line feeds and our own dimming and colours alone. */
const HARMFUL = /(?!\n|\t)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const OWN = new RegExp(`${String.fromCharCode(27)}\\[(?:2|22|3\\d|39)m`, "g");

const home = emptyHome();
let server: Bun.Server<undefined>;
/** What the server answers, by method and path; else an error in its words. */
let answers: Record<string, unknown>;
beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const answer = answers[`${request.method} ${new URL(request.url).pathname}`];
      if (answer instanceof Response) return new Response(answer.clone().body, answer);
      return answer === undefined
        ? Response.json({ error: { code: EVIL, message: `no ${EVIL}` } }, { status: 418 })
        : Response.json(answer);
    },
  });
  savePairing(join(home.dir, ".config/claude-remote/pairing.json"), {
    server: `http://127.0.0.1:${server.port}`,
    device: "dev_x",
    secret: Buffer.alloc(32).toString("base64url"),
  });
});
afterAll(async () => {
  await server.stop(true);
  home.remove();
});

async function cli(argv: string[]): Promise<{ out: string; err: string }> {
  const child = Bun.spawn([...SELF, ...argv], {
    env: home.env,
    cwd: home.dir,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { out, err };
}
const device = (more: object = {}) => ({
  ...{ id: "dev_a", name: EVIL, kind: "viewer", created_at: 1, last_seen_at: 1 },
  ...{ revoked_at: null, minted_by: EVIL, self: false, push: "failing" },
  ...more,
});
const session = {
  ...{ id: "s_1", host: EVIL, cwd: `/${EVIL}`, command: EVIL, title: EVIL, started_at: 1 },
  ...{ hooks: "on", activity: "idle", status: "running", pending: 1, ended_at: null, exit: null },
  ...{ offline_since: null, auth_url: null, runner: "dev_a" },
};

describe("nothing of a server's words is an order to the terminal", () => {
  const COMMANDS: [string, string[]][] = [
    ["devices", ["devices"]],
    ["devices revoke", ["devices", "revoke", "dev_a"]],
    ["devices admit", ["devices", "admit", "dev_a"]],
    ["pair", ["pair"]],
    ["attach --list", ["attach", "--list"]],
    ["check", ["check"]],
    ["check --json", ["check", "--json"]],
  ];
  test.each(COMMANDS)(
    "%s, where each answer is an error",
    async (_, argv) => {
      answers = {};
      const { out, err } = await cli(argv);
      expect(out + err).not.toBe("");
      expect((out + err).replace(OWN, "")).not.toMatch(HARMFUL);
    },
    30_000,
  );

  test.each(COMMANDS)(
    "%s, where each answer is of the right form",
    async (_, argv) => {
      answers = {
        "GET /api/devices": { devices: [device(), device({ id: EVIL.slice(0, 60) })] },
        "DELETE /api/devices/dev_a": { minted: [{ id: EVIL, name: EVIL }] },
        "POST /api/devices/dev_a/admit": {},
        "POST /api/devices/code": {
          link: `http://127.0.0.1:${server.port}/${EVIL}#pair=${"A".repeat(22)}`,
          expires: 1,
        },
        "GET /api/sessions": { sessions: [session] },
        "GET /api/push/subscription": {
          key: "A".repeat(87),
          endpoint: null,
          trouble: EVIL,
          off: [],
          approve: false,
        },
        "GET /healthz": new Response("ok"),
        "GET /ws": new Response(EVIL, { status: 426 }),
      };
      const { out, err } = await cli(argv);
      expect(out + err).not.toBe("");
      expect((out + err).replace(OWN, "")).not.toMatch(HARMFUL);
    },
    30_000,
  );

  test("a link that is none is no crash", async () => {
    for (const link of [
      "https://[",
      EVIL,
      "javascript:alert(1)#pair=AAAAAAAAAAAAAAAAAAAAAA",
      "",
      "https://x/#pair=short",
    ]) {
      answers = { "POST /api/devices/code": { link, expires: 1 } };
      const { out, err } = await cli(["pair"]);
      expect(out).toBe("");
      expect(err).toStartWith("claude-remote: ");
      expect(err).not.toContain("    at "); // a stack
      expect(err).not.toMatch(HARMFUL);
    }
  }, 30_000);

  test("the words of one that refuses a session neither, in a terminal", async () => {
    answers = {
      "GET /ws": Response.json({ error: { code: "unused", message: EVIL } }, { status: 403 }),
    };
    const tty = openTty([...SELF, "run", "--command", "sh", "--", "-c", "sleep 2"], {
      env: home.env,
    });
    expect((await tty.exited).code).toBe(0);
    expect(tty.text()).toContain("U+202E");
    expect(new TextDecoder().decode(tty.bytes())).not.toContain("owned\x07");
  }, 30_000);
});
