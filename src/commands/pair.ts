import { hostname } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { renderUnicodeCompact } from "uqr";
import * as v from "valibot";
import { openDatabase } from "../db.ts";
import { openDevices } from "../hub/devices.ts";
import { isLoopback } from "../hub/origins.ts";
import { readSeat } from "../hub/seat.ts";
import type { Pairing } from "../runner/link.ts";
import {
  isServerOf,
  loadPairing,
  PairingError,
  pairWith,
  parseLink,
  savePairing,
  signedRequest,
} from "../runner/pairing.ts";
import { networkCause } from "../runner/uplink/network-error.ts";
import { parseJson } from "../types.ts";
import { loadConfig } from "./config.ts";
import { findHome } from "./embedded.ts";
import { configPath, expandHome, pairingPath } from "./places.ts";
import { fold, OWN_NAME, print } from "./say.ts";
import { UsageError } from "./usage.ts";

type Kind = "viewer" | "runner" | "machine";
const Code = v.object({ link: v.string(), expires: v.number() });

/** How long the server's public address may take to answer, in ms. */
const REACH_MS = 3000;

/** `claude-remote pair [LINK | -]`, and on the server's own host `claude-remote pair --data DIR [--public-url URL]`. */
export async function pair(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      data: { type: "string" },
      "public-url": { type: "string" },
      kind: { type: "string" },
      name: { type: "string" },
    },
  });
  if (positionals.length > 1) throw new UsageError("pair: one link at a time");
  const kind = v.safeParse(v.optional(v.picklist(["viewer", "runner", "machine"])), values.kind);
  if (!kind.success) throw new UsageError("--kind: viewer, runner or machine");
  if (values.data !== undefined)
    return mintHere(
      resolve(expandHome(values.data)),
      values["public-url"] ?? loadConfig().public_url,
      kind.output ?? "machine",
    );
  const [given] = positionals;
  if (given === undefined) return invite(kind.output);
  const link = given === "-" ? (prompt("Pairing link:") ?? "") : given;
  const as = kind.output ?? "machine";
  if (as === "viewer")
    throw new UsageError(
      "pair LINK: this machine pairs as machine or runner; a viewer is a phone or a browser",
    );
  if (values.kind === undefined && values.name === undefined) {
    const moved = await movedTo(parseLink(link).server);
    if (moved !== undefined) {
      print(
        `${moved} is the server that this machine is paired with, at a new address: sessions and history stay as they are.`,
        process.stderr,
      );
      return 0;
    }
  }
  const pairing = await pairWith(link, as, values.name ?? (hostname() || "this machine"));
  savePairing(pairingPath(), pairing);
  print(
    `Paired with ${pairing.server}. From now on \`claude-remote\` shows its sessions there.`,
    process.stderr,
  );
  return 0;
}

/** Where the server that this machine is paired with has moved to an address, the pairing follows it; the address, or undefined where that is another server. */
async function movedTo(server: string): Promise<string | undefined> {
  const known = lenientPairing();
  if (known === undefined || known.embedded === true || known.server === server) return undefined;
  if (!(await isServerOf(known, server))) return undefined;
  savePairing(pairingPath(), { ...known, server });
  return server;
}

/** This machine's pairing; a damaged one is about to be replaced. */
function lenientPairing(): Pairing | undefined {
  try {
    return loadPairing(pairingPath());
  } catch (error) {
    if (error instanceof PairingError) return undefined;
    throw error;
  }
}

/** Makes a code in the database itself, for whoever owns the server's files. */
function mintHere(data: string, publicUrl: string | undefined, kind: Kind): number {
  const db = openDatabase(data);
  const { code } = openDevices(db).mint(kind, undefined);
  db.close();
  const origin =
    publicUrl === undefined
      ? (readSeat(data)?.origin ?? "http://127.0.0.1:7200")
      : new URL(publicUrl).origin;
  showInvitation(`${origin}/#pair=${code}`, kind);
  if (isLoopback(new URL(origin).hostname))
    print(
      "It leads to this very machine: no phone and no other machine can follow it. Those need an HTTPS address of the server (docs/deploy.md).",
      process.stderr,
    );
  return 0;
}

/** A link alone where a program reads it; in a terminal with the whole command for a machine. */
function showInvitation(link: string, kind: Kind): void {
  if (kind !== "runner" || !process.stdout.isTTY) printLink(link, process.stdout);
  if (kind === "viewer" || !process.stdout.isTTY) return;
  const flag = kind === "runner" ? "--kind runner " : "";
  print(
    fold(
      `On the other laptop or server that ${kind === "runner" ? "only runs sessions" : "runs Claude"}:`,
    ),
    process.stderr,
  );
  print(`\n  claude-remote pair ${flag}'${link}'\n`);
}

/** Shows a link, for a phone unless somebody says otherwise, and says honestly whether it can be followed. */
async function invite(kind: Kind | undefined): Promise<number> {
  const home = await findHome(loadConfig(), { afresh: true });
  if (home === undefined)
    throw new PairingError(
      "This machine is not paired yet. Start `claude-remote server`, then run `claude-remote pair` with the link it prints.",
    );
  const link = await mintLink(home.pairing, kind ?? "viewer");
  const reach = await reachability(link, home.seat !== undefined);
  if (kind === "machine" || kind === "runner") {
    showInvitation(link, kind);
    print(fold(`It works once, for five minutes.${reach.after}`), process.stderr);
    return 0;
  }
  showLink(link, reach, process.stdout);
  if (kind === undefined)
    print(
      fold(
        "This one is for a phone or browser. For another laptop or server that runs Claude: `claude-remote pair --kind machine`.",
      ),
      process.stderr,
    );
  return 0;
}

/** Has the server make a pairing link. Throws a `PairingError`. */
export async function mintLink(pairing: Pairing, kind: Kind): Promise<string> {
  const answer = parseJson(
    Code,
    await signedRequest(pairing, "POST", "/api/devices/code", { kind }),
  );
  const link = answer === undefined ? null : URL.parse(answer.link);
  if (link === null)
    throw new PairingError("The server's answer can't be read; is it of the same version?");
  parseLink(link.href);
  return link.href; // in plain ASCII, whatever the server wrote
}

/** Whether a phone can follow a link, as far as can be told from here, and what to do if not. `ours`: the server is this machine's own. */
export async function reachability(link: string, ours: boolean): Promise<Reach> {
  const { hostname: host, origin, port } = new URL(link);
  if (isLoopback(host)) {
    const line = (name: string, value: string, when: string) => {
      const option = ours
        ? `${name} = ${value === "" ? "true" : `"${value}"`}`
        : `--${name.replace("_", "-")} ${value}`;
      return `  ${option.padEnd(35)} ${when}`;
    };
    const ways = [
      `\nA phone can't reach this server yet: it listens on this machine alone. For a phone, ${ours ? `write one of these into ${configPath()} and run this again:` : "start it with one of these:"}`,
      line("insecure_lan", "", "a network you trust, unencrypted"),
      line("public_url", "https://NAME.ts.net", `after \`tailscale serve --bg ${port}\``),
      line("public_url", "https://your.name", `an HTTPS proxy before port ${port}`),
    ];
    return { before: "Open this in a browser on this machine:", after: ways.join("\n") };
  }
  const answers = await fetch(`${origin}/healthz`, {
    redirect: "error",
    signal: AbortSignal.timeout(REACH_MS),
  }).then(
    (response) => (response.ok ? undefined : `it answers ${response.status}`),
    (error: unknown) => networkCause(error, origin),
  );
  const before = "Point the phone's camera at this, or open the link there:";
  if (answers !== undefined)
    return {
      before,
      after: ` Careful: ${origin} does not answer from here (${answers}). Is the proxy up, and the name right?`,
    };
  if (origin.startsWith("https:")) return { before, after: ` ${origin} answers.` };
  return {
    before,
    after: ` A phone on the same network reaches it unless a firewall blocks port ${port}. It is not encrypted: anybody on that network can replace the page, and who records this pairing and gets the link, even a used one, has the phone's key.`,
  };
}

/** Prints a pairing link, as a QR code too where somebody can point a phone at it: one to this very machine would lead a phone nowhere. */
export function printLink(link: string, out: NodeJS.WriteStream): void {
  if (out.isTTY && !isLoopback(new URL(link).hostname))
    out.write(`${renderUnicodeCompact(link, { border: 2 })}\n`);
  out.write(`\n  ${link}\n\n`);
}

/** The link, with what is to be said about it, last what must not scroll away. */
export function showLink(link: string, reach: Reach, out: NodeJS.WriteStream): void {
  print(fold(reach.before), process.stderr);
  printLink(link, out);
  print(
    fold(`It works once, for five minutes; \`${OWN_NAME} pair\` makes another.${reach.after}`),
    process.stderr,
  );
}

/** What is said before a link, and after it. */
interface Reach {
  before: string;
  after: string;
}
