import { existsSync, readFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { randomNonce, sha256hex } from "../auth.ts";
import { type FromRunner, type FromServer, LIMITS, parseJson, type RunnerInfo } from "../types.ts";
import { openChildren } from "./children.ts";
import { conversationsOf, foldersUsed } from "./conversations.ts";
import type { DaemonLog } from "./daemon-log.ts";
import { type Link, openLink, type Pairing } from "./link.ts";
import { findProgram, StartError } from "./program.ts";
import { replaceFile } from "./rest.ts";
import {
  allowedFolder,
  completeFolder,
  FolderError,
  isInside,
  isShown,
  realFolder,
} from "./roots.ts";

/** So many sessions at once, and starts a minute. */
const SESSIONS = 20;
const STARTS = 10;
const MINUTE_MS = 60_000;
/** So many starts are remembered: none is done twice, and their folders are at hand. */
const REMEMBERED = 200;
/** A refusal is no longer than this, in UTF-16 units. */
const WORDS = 1000;
/** A connection that stands for so long after one was refused is good again, in ms. */
const SETTLED_MS = 5000;
/** The terminal of a session whose phone did not say how large it wants it. */
const SIZE = { cols: 80, rows: 24 };

const Starts = v.array(v.object({ session: v.string(), cwd: v.string() }));
type StartMessage = Extract<FromServer, { type: "start" }>;
type Outcome = Pick<Extract<FromRunner, { type: "started" }>, "session" | "refused">;

export interface DaemonOptions {
  pairing: Pairing;
  version: string;
  /** Real paths of the folders that sessions may work in. */
  roots: readonly string[];
  /** A folder of its own, for what has to outlive it. */
  state: string;
  /** Claude Code's command. */
  claude: string;
  /** Why there is no sandbox here, in words; undefined where there is one. */
  sandboxTrouble(): Promise<string | undefined>;
  /** Why none can be had this minute. */
  sandboxReady(onImage: (state: RunnerInfo["sandbox_image"]) => void): Promise<string | undefined>;
  /** Whatever is started runs in one. */
  sandboxAlways?: boolean;
  /** Where claude keeps its things in a folder's sandboxes, and what it calls the folder there. */
  sandboxed(cwd: string): { configDir: string; cwd: string };
  log: DaemonLog;
  /** Comes with each attempt to connect that fails. */
  onLost?: (() => void) | undefined;
  /** The server is there. */
  onConnected?: (() => void) | undefined;
  /** Its origin by now. */
  address?: (() => string) | undefined;
}

/** Registers this machine with the server and starts sessions when it asks; the answer is how to end it, and them. */
export async function startDaemon({
  pairing,
  version,
  roots,
  state,
  claude,
  sandboxTrouble,
  sandboxReady,
  sandboxAlways = false,
  sandboxed,
  log,
  onLost,
  onConnected,
  address,
}: DaemonOptions) {
  const host = hostname();
  const configDir = process.env.CLAUDE_CONFIG_DIR ?? join(homedir(), ".claude");
  const children = openChildren({
    place: join(state, "sessions"),
    pairing,
    log,
    onEnd: () => void tell(),
  });
  const remembered = join(state, "starts.json");
  let starts =
    (existsSync(remembered) ? parseJson(Starts, readFileSync(remembered, "utf8")) : undefined) ??
    []; // the newest first
  const starting = new Map<string, Promise<Outcome>>();
  let recently: number[] = []; // when sessions were started
  let image: RunnerInfo["sandbox_image"]; // once it had to be built
  let ending = false;
  let trouble: string | undefined; // why there is no connection
  let refused: string | undefined; // why one is of no use: said once

  /** Tells the server what there is here. */
  const tell = async () => {
    const used = [...starts.map(({ cwd }) => cwd), ...(await foldersUsed(configDir, roots))];
    const there = await Promise.all(
      [...new Set(used)].slice(0, 2 * LIMITS.folders).map(realFolder),
    );
    const recent = [
      ...new Set(
        there.flatMap((path) =>
          path !== undefined && isInside(roots, path) && isShown(path) ? [path] : [],
        ),
      ),
    ].slice(0, LIMITS.folders);
    link.send({
      type: "runner",
      roots: [...roots],
      recent,
      no_sandbox: (await sandboxTrouble())?.slice(0, WORDS) ?? null,
      sandbox_always: sandboxAlways,
      sandbox_image: image,
    });
  };

  const onImage = (state: RunnerInfo["sandbox_image"]) => {
    image = state?.state === "failed" ? { ...state, why: state.why.slice(0, WORDS) } : state;
    void tell();
  };

  /** Throws the system's error where there is no room. */
  const remember = (changed: typeof starts) => {
    starts = changed.slice(0, REMEMBERED);
    replaceFile(remembered, starts);
  };

  /** Why nothing more can be started now. */
  const tooMany = (): string | undefined => {
    recently = recently.filter((at) => performance.now() - at < MINUTE_MS);
    if (ending) return "The runner is being ended.";
    if (children.count >= SESSIONS)
      return `${SESSIONS} sessions run on ${host}, which is as many as may: end one first.`;
    return recently.length >= STARTS
      ? `${STARTS} sessions were started on ${host} within a minute: wait a little.`
      : undefined;
  };

  /** Earlier conversations of a folder; what a sandbox has left may be replaced while it is read. */
  const conversations = (cwd: string, sandbox: boolean) => {
    if (!sandbox) return conversationsOf(configDir, cwd);
    const inside = sandboxed(cwd);
    return conversationsOf(inside.configDir, inside.cwd, true);
  };

  const begin = async (message: StartMessage, session: string): Promise<Outcome> => {
    const { args, cols = SIZE.cols, rows = SIZE.rows } = message;
    const sandbox = message.sandbox || sandboxAlways;
    const cwd = await allowedFolder(roots, message.cwd);
    const resumed = args.filter((_, i) => args[i - 1] === "--resume");
    const known = resumed.length === 0 ? [] : await conversations(cwd, sandbox);
    // claude itself (2.1.328) would take it from any folder, and show it
    if (!resumed.every((id) => known.some((conversation) => conversation.id === id)))
      return {
        refused: `That is none of the newest ${LIMITS.conversations} conversations of ${cwd}.`,
      };
    const noSandbox = sandbox ? await sandboxReady(onImage) : undefined;
    const command = sandbox ? "claude" : findProgram(claude, cwd, process.env.PATH ?? "");
    const trouble = noSandbox ?? tooMany();
    if (trouble !== undefined) return { refused: trouble };
    recently.push(performance.now());
    log(`${session} is started in ${cwd}`, "session_start", { session, cwd });
    try {
      remember([{ session, cwd }, ...starts]); // first: what could not be remembered might be started twice
      const refused = await children.start({
        session,
        dir: join(state, "sessions", session),
        cwd,
        command,
        args,
        sandbox,
        cols,
        rows,
        pairing,
      });
      if (refused === undefined) return { session };
      remember(starts.filter((start) => start.session !== session));
      return { refused };
    } catch (error) {
      starts = starts.filter((start) => start.session !== session);
      throw error;
    }
  };

  const start = async (message: StartMessage) => {
    const session =
      message.id === undefined
        ? `s_${randomNonce()}`
        : `s_${sha256hex(`${pairing.device} ${message.id}`).slice(0, 32)}`;
    const known = children.has(session) || starts.some((start) => start.session === session);
    const outcome: Promise<Outcome> =
      starting.get(session) ??
      (known ? Promise.resolve({ session }) : begin(message, session).catch(inWords));
    starting.set(session, outcome);
    const { session: begun, refused } = await outcome;
    link.send({
      type: "started",
      request: message.request,
      session: begun,
      refused: refused?.slice(0, WORDS),
    });
    starting.delete(session);
    void tell();
  };

  const inWords = (error: unknown): Outcome => {
    if (error instanceof FolderError) return { refused: error.message };
    if (error instanceof StartError)
      return {
        refused: `Claude Code can't be started on ${host}: ${error.message}. Is it on the PATH of \`claude-remote runner\`?`,
      };
    if (!(error instanceof Error && "code" in error)) throw error;
    return { refused: `${host} can't start a session: ${error.message}` }; // such as a full disk
  };

  const find = async ({ request, what, path }: Extract<FromServer, { type: "find" }>) => {
    if (what === "folders")
      return link.send({ type: "found", request, folders: await completeFolder(roots, path) });
    const cwd = await allowedFolder(roots, path).catch((error: unknown) => {
      if (error instanceof FolderError) return undefined;
      throw error;
    });
    return link.send({
      type: "found",
      request,
      conversations:
        cwd === undefined ? [] : await conversations(cwd, sandboxAlways || what === "sandboxed"),
    });
  };

  const onMessage = (message: FromServer) => {
    switch (message.type) {
      case "start":
        return void start(message);
      case "find":
        return void find(message);
      case "stop":
        return children.stop(message.session, message.signal);
      case "refused":
        if (message.message !== refused)
          log(message.message, "refused", { reason: message.message });
        refused = message.message;
        return;
      default:
        return; // a session's
    }
  };

  children.takeOver();
  const link: Link = openLink({
    ...{ pairing, host, version, address, onMessage },
    onUp() {
      trouble = undefined;
      const connected = () => {
        refused = undefined;
        const server = address?.() ?? pairing.server;
        log(`connected to ${server}`, "connected", { server });
        onConnected?.();
      };
      if (refused === undefined) connected();
      else
        setTimeout(() => trouble === undefined && refused !== undefined && connected(), SETTLED_MS);
      void tell();
    },
    onDown(reason) {
      if (reason !== trouble && refused === undefined)
        log(`not connected: ${reason}`, "disconnected", { reason });
      trouble = reason;
      onLost?.();
    },
  });

  return {
    /** Ends every session, in order or at once, then the connection. */
    async end(now: boolean): Promise<void> {
      ending = true;
      await children.endAll(now);
      link.close();
    },
  };
}
