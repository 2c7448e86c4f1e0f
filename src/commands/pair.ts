import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { renderUnicodeCompact } from "uqr";
import * as v from "valibot";
import { openDatabase } from "../db.ts";
import { openDevices } from "../hub/devices.ts";
import { isLoopback } from "../hub/origins.ts";
import { loadPairing, PairingError, pairWith, savePairing, signedRequest } from "../runner/pairing.ts";
import { parseJson } from "../types.ts";
import { pairingPath } from "./places.ts";
import { UsageError } from "./usage.ts";

const Code = v.object({ link: v.string(), expires: v.number() });

/** `claude-remote pair [LINK | -]`, and on the server's own host `claude-remote pair --data DIR [--public-url URL]`. */
export async function pair(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { data: { type: "string" }, "public-url": { type: "string" }, kind: { type: "string" }, name: { type: "string" } },
  });
  if (positionals.length > 1) throw new UsageError("pair: one link at a time");
  const kind = v.safeParse(v.optional(v.picklist(["viewer", "runner", "machine"])), values.kind);
  if (!kind.success) throw new UsageError("--kind: viewer, runner or machine");
  if (values.data !== undefined) return mintHere(values.data, values["public-url"] ?? process.env.CLAUDE_REMOTE_PUBLIC_URL, kind.output ?? "machine");
  const [given] = positionals;
  if (given === undefined) return mintAtServer(kind.output ?? "viewer");
  const link = given === "-" ? (prompt("Pairing link:") ?? "") : given;
  const as = kind.output ?? "machine";
  if (as === "viewer") throw new UsageError("pair LINK: this machine pairs as machine or runner; a viewer is a phone or a browser");
  const pairing = await pairWith(link, as, values.name ?? (hostname() || "this machine"));
  savePairing(pairingPath(), pairing);
  process.stderr.write(`Paired with ${pairing.server}. From now on \`claude-remote\` shows its sessions there.\n`);
  return 0;
}

/** Makes a code in the database itself, for whoever owns the server's files. */
function mintHere(data: string, publicUrl: string | undefined, kind: "viewer" | "runner" | "machine"): number {
  const db = openDatabase(data);
  const { code } = openDevices(db).mint(kind, undefined);
  db.close();
  printLink(`${publicUrl === undefined ? "http://127.0.0.1:7200" : new URL(publicUrl).origin}/#pair=${code}`, process.stdout);
  return 0;
}

async function mintAtServer(kind: "viewer" | "runner" | "machine"): Promise<number> {
  const pairing = loadPairing(pairingPath());
  if (pairing === undefined)
    throw new PairingError("This machine is not paired yet. Start `claude-remote server`, then run `claude-remote pair` with the link it prints.");
  const answer = parseJson(Code, await signedRequest(pairing, "POST", "/api/devices/code", { kind }));
  if (answer === undefined) throw new PairingError("The server's answer can't be read; is it of the same version?");
  if (isLoopback(new URL(answer.link).hostname)) {
    process.stderr.write(
      "A phone can't reach this server: it listens on this machine alone. Ways out:\n" +
        "  - Tailscale: `tailscale serve 7200`, and start the server with --public-url https://NAME\n" +
        "  - Caddy or another proxy with HTTPS in front, and --public-url\n" +
        "  - on a network you trust: --host 0.0.0.0 --insecure-lan\n" +
        "This link works in a browser here:\n",
    );
    process.stdout.write(`\n  ${answer.link}\n\n`);
    return 0;
  }
  printLink(answer.link, process.stdout);
  process.stderr.write("Point the phone's camera at it. It works once, for five minutes.\n");
  return 0;
}

/** Prints a pairing link, as a QR code too where somebody can point a phone at it. */
export function printLink(link: string, out: NodeJS.WriteStream): void {
  if (out.isTTY) out.write(`\n${renderUnicodeCompact(link, { border: 2 })}\n`);
  out.write(`\n  ${link}\n\n`);
}
