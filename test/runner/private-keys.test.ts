import { describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { rowText } from "../../src/row.ts";
import { openScreen } from "../../src/runner/screen.ts";
import { maskSecrets } from "../../src/runner/secrets.ts";

const [rsa, ec] = [
  generateKeyPairSync("rsa", {
    modulusLength: 4096,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  }),
  generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  }),
];
const KEYS = { "RSA-4096": rsa.privateKey.trimEnd(), "P-256": ec.privateKey.trimEnd() };
const SIZES = [
  [45, 30],
  [80, 24],
  [120, 40],
] as const;

/** Everything that leaves the runner of what a program prints: rows that scrolled off, then those on the screen. */
async function shown(output: string, cols: number, rows: number): Promise<string[]> {
  const past: string[] = [];
  const screen = openScreen({
    cols,
    rows,
    onChange: () => undefined,
    onHold: () => undefined,
    onHistory(op) {
      if (op.op === "append") past.push(...op.lines.map(rowText));
    },
  });
  screen.feed(Buffer.from(output.replaceAll("\n", "\r\n")));
  await screen.settled();
  const now = screen.text();
  screen.dispose();
  return [...past, ...now];
}

/** Whether any eight characters of a secret can be read in these rows. */
const readable = (rows: readonly string[], secret: readonly string[]) => {
  const parts = new Set(
    secret.flatMap((line) =>
      Array.from({ length: Math.max(0, line.length - 7) }, (_, i) => line.slice(i, i + 8)),
    ),
  );
  return rows.filter((row) =>
    Array.from({ length: Math.max(0, row.length - 7) }, (_, i) => row.slice(i, i + 8)).some(
      (part) => parts.has(part),
    ),
  );
};

/** As a full-screen program draws lines that it has wrapped itself, at the end of a file. */
const paged = (lines: readonly string[], cols: number, rows: number) =>
  `\x1b[?1049h\x1b[H${lines
    .flatMap((line) =>
      Array.from({ length: Math.ceil(line.length / cols) }, (_, i) =>
        line.slice(i * cols, (i + 1) * cols),
      ),
    )
    .slice(-rows + 1)
    .map((part, y) => `\x1b[${y + 1};1H${part}`)
    .join("")}`;

describe.each(Object.entries(KEYS))("a private key (%s) can't be read", (_, pem) => {
  const lines = pem.split("\n");
  const body = lines.slice(1, -1);
  const ways: Record<string, (cols: number, rows: number) => string> = {
    "as it is": () => pem,
    numbered: () => lines.map((line, i) => `${String(i + 1).padStart(6)}\t${line}`).join("\n"),
    quoted: () => lines.map((line) => `> ${line}`).join("\n"),
    "in a diff": () => lines.map((line) => `+${line}`).join("\n"),
    "in Claude's own diff": () => lines.map((line, i) => `      ${i + 7} -${line}`).join("\n"),
    "found by grep": () => lines.map((line, i) => `key.pem:${i + 1}:${line}`).join("\n"),
    "as strings of a program": () => body.map((line) => `  "${line}\\n" +`).join("\n"),
    "in a frame": () => body.map((line) => `│ ${line} │`).join("\n"),
    "by its last lines": () => lines.slice(-3).join("\n"),
    "by a line from its midst": () => body[1] ?? "",
    "on a pager's last page": (cols, rows) => paged(body, cols, rows),
    "at its end in an editor": (cols, rows) => `${paged(lines, cols, rows)}\x1b[${rows};1H"key" 9L`,
    "in JSON": () => JSON.stringify({ private_key: pem }),
  };
  test.each(Object.entries(ways))("%s", async (_, print) => {
    for (const [cols, rows] of SIZES)
      expect(readable(await shown(print(cols, rows), cols, rows), body)).toEqual([]);
  });

  test("in base64, with its name or on a page of its own", async () => {
    const base64 = Buffer.from(pem).toString("base64");
    for (const [cols, rows] of SIZES) {
      const named = await shown(`client-key-data: ${base64}`, cols, rows);
      expect(readable(named, [base64])).toEqual([]);
      expect(readable(await shown(paged([base64], cols, rows), cols, rows), [base64])).toEqual([]);
    }
  });
});

test("a key is open from one row to the next however many came before, and however they come", async () => {
  const body = KEYS["RSA-4096"].split("\n").slice(1, -1);
  const past: string[] = [];
  const screen = openScreen({
    cols: 45,
    rows: 10,
    onChange: () => undefined,
    onHold: () => undefined,
    onHistory(op) {
      if (op.op === "append") past.push(...op.lines.map(rowText));
    },
  });
  // one long line, a few characters at a time: its rows leave the screen one by one
  const base64 = `token: ${Buffer.from(KEYS["RSA-4096"].repeat(2)).toString("base64")}`;
  for (let at = 0; at < base64.length; at += 37) {
    screen.feed(Buffer.from(base64.slice(at, at + 37)));
    await screen.settled();
  }
  expect(past.length).toBeGreaterThan(100);
  expect(readable([...past, ...screen.text()], [base64.slice(7)])).toEqual([]);
  expect(readable(past, body)).toEqual([]);
  screen.dispose();
});

test("a line that names a key hides nothing below it", async () => {
  const lines = [
    "Look for -----BEGIN RSA PRIVATE KEY----- in these files:",
    "requirements",
    "a.test.ts:12:  expect(x).toContain('-----BEGIN OPENSSH PRIVATE KEY-----');",
    "-----BEGIN RSA PRIVATE KEY-----",
    "Done",
    "❯ 1. Yes",
    "  2. No, and tell Claude what to do differently",
    "╭──────────────╮",
    "│ > input box  │",
    "╰──────────────╯",
    "AbstractSingletonProxyFactoryBean",
    "Utf8StringBuilderTest",
    "Utf16StringBuilderTest",
    "commit 4b825dc642cb6eb9a060e54bf8d69288fbee4904",
  ];
  expect((await shown(lines.join("\n"), 80, 24)).slice(0, lines.length)).toEqual(lines);
});

test("a certificate and a public key are no secret", () => {
  const certificate = KEYS["RSA-4096"].replaceAll("RSA PRIVATE KEY", "CERTIFICATE");
  expect(maskSecrets(certificate)).toBe(certificate);
  expect(maskSecrets(rsa.publicKey)).toBe(rsa.publicKey);
});
