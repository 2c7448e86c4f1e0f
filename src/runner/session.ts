import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { randomNonce } from "../auth.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { Exit, FromServer, HistoryOp, Prompt, SessionInfo } from "../types.ts";
import { openAsking } from "./asking.ts";
import { SessionColours } from "./colours.ts";
import { EchoWatch } from "./echo.ts";
import { distrustOf, transcriptOf, transcriptRoots, trustedTranscript } from "./evidence.ts";
import { proxyExceptions } from "./hooks.ts";
import { openInput } from "./input.ts";
import { type LateScreen, openLateScreen } from "./late-screen.ts";
import { type Link, openLink, type Pairing } from "./link.ts";
import { openNotices } from "./notices.ts";
import { openOutbox } from "./outbox.ts";
import { programPid } from "./program.ts";
import type { Pty } from "./pty.ts";
import { leaveRest, prepareLoss } from "./rest.ts";
import { maskSecrets } from "./secrets.ts";
import { mergeSettings } from "./settings.ts";
import { openShowing } from "./showing.ts";
import { isTyped, openSizes, type Sizes } from "./sizes.ts";
import { followStatus } from "./status.ts";
import { followTranscript } from "./transcript.ts";
import type { Program, Watch } from "./wrap.ts";

/** How long the way out waits for the server to have everything, in ms. */
const FAREWELL_MS = 1000;
/** Claude answers somebody, so its hook for what was said should have come by now; otherwise hooks are off. In ms. */
const HOOKS_DUE_MS = 3000;

export interface Session {
  readonly id: string;
  /** The program with our hooks added, where it is claude. */
  readonly program: Program;
  readonly watch: Watch;
  /** To be run should this process be killed. */
  readonly ifKilled: readonly string[];
  /** Reports the exit and takes leave of the server; resolves with what kept the session from being shown, where somebody has to mend that. */
  end(exit: Exit): Promise<string | undefined>;
}

export interface SessionOptions {
  /** Whether a terminal shows it here. */
  desk: boolean;
  /** Nothing of it is to be written down, neither here nor by the server. */
  unlogged: boolean;
  /** Comes with each attempt to connect that fails. */
  onLost?: (() => void) | undefined;
  /** The server knows the session: whatever kept it from that is over. */
  onHeard?: (() => void) | undefined;
  /** Where a daemon started it. */
  started?: Started | undefined;
  /** It runs in there. */
  sandbox?: Sandbox | undefined;
}

/** What a daemon has settled of a session that it starts: its id, its own folder, and what it is to be started with again. */
export interface Started {
  id: string;
  dir: string;
  args: string[];
}

/** One wrapped program as the server sees it: screen, history, prompts and status, sent over one link. */
export function openSession(
  given: Program,
  pairing: Pairing,
  version: string,
  { desk, unlogged, onLost, onHeard, started, sandbox }: SessionOptions,
): Session {
  const id = started?.id ?? `s_${randomNonce()}`;
  const host = hostname();
  const dir = started?.dir ?? mkdtempSync(join(tmpdir(), "claude-remote-"));
  const configDir =
    sandbox?.configDir ??
    given.env.CLAUDE_CONFIG_DIR ??
    join(given.env.HOME ?? homedir(), ".claude");
  const info: SessionInfo = {
    id,
    host,
    cwd: given.cwd,
    command: maskSecrets([given.name, ...given.args].join(" ").slice(0, 1024)),
    started_at: Date.now(),
    hooks: given.hooks ? "waiting" : "none",
    activity: "unknown",
    desk,
    unlogged,
    sandbox: sandbox !== undefined,
    args: started?.args,
  };
  const outbox = openOutbox(unlogged ? undefined : join(dir, "history"));
  let link: Link | undefined;
  let late: LateScreen | undefined;
  const screen = () => late?.screen();
  let status: ReturnType<typeof followStatus> | undefined;
  let type: ReturnType<typeof openInput> | undefined;
  let sizes: Sizes | undefined;
  let write: Pty["write"] = () => undefined;
  let signal: Pty["kill"] | undefined;
  let exit: { exit: Exit; ended_at: number } | undefined;
  let toldExit = false;
  let resumed = false; // the server knows this session on the present connection
  let left: () => void = () => undefined;
  let trouble: string | undefined;

  const sendStatus = (change: Partial<SessionInfo>) => {
    Object.assign(info, change);
    if (resumed)
      link?.send({ type: "status", session: id, hooks: info.hooks, activity: info.activity });
  };
  const drain = () => {
    if (!resumed || link === undefined) return;
    outbox.drain(
      (seq, op) =>
        link?.full !== true && link?.send({ type: "output", session: id, seq, op }) === true,
    );
    if (exit !== undefined && outbox.isEmpty && transcript.isDone && !toldExit)
      toldExit = link.send({ type: "exit", session: id, ...exit });
  };
  const roots = transcriptRoots(configDir, sandbox !== undefined);
  const transcript = followTranscript({
    trust: (path) => trustedTranscript(path, configDir, roots),
    distrust: (path) => distrustOf(path, configDir, roots),
    find: (name) => transcriptOf(name.replace(/\.jsonl$/, ""), configDir) || undefined,
    send: (batch) =>
      resumed && link?.full === false && link.send({ type: "transcript", session: id, ...batch }),
    onFile: (files) => void prepareLoss(dir, info, files),
    onDone: drain,
  });
  const showing = openShowing({
    screen,
    link: () => ({ up: resumed, full: link?.full === true }),
    sendFrame: (frame) => link?.send({ type: "screen", session: id, frame }),
    sendLogin: (url) => link?.send({ type: "auth_url", session: id, url }),
  });
  const colours = new SessionColours(given.env.COLORFGBG);
  let echo: EchoWatch | undefined;
  const screenChanged = () => {
    echo?.stir();
    asking.screenChanged();
    showing.changed();
  };

  const untold = new Set<string>(); // prompts that changed after the list of them was sent, before the server answered
  const tell = (prompt: Prompt | undefined) => {
    if (prompt === undefined) return;
    if (resumed) link?.send({ type: "prompt", prompt });
    else untold.add(prompt.id);
  };
  const asking = openAsking({
    ...{
      session: id,
      cwd: given.cwd,
      isClaude: given.hooks,
      configDir,
      roots,
      outside: sandbox?.outside,
      onChange: tell,
    },
    screen,
    activity: () => status?.activity ?? "unknown",
    activityOf: (conversation) => status?.activityOf(conversation) ?? "unknown",
    whose(conversation) {
      if (status?.isOwn(conversation) !== false) return { own: true };
      return { own: false, name: maskSecrets(status.nameOf(conversation) ?? conversation) };
    },
    pastes: showing.pastes,
    heard: () => resumed,
    write: (data) => write(data),
    onHurry: (hurry) => status?.hurry(hurry),
    onHook(event, own) {
      if (info.hooks !== "on") sendStatus({ hooks: "on" });
      if (!own) return; // of another session, which this terminal does not show
      notices.note(event);
      transcript.named(event.transcript_path);
    },
  });
  const notices = openNotices(id, (notice) => resumed && link?.send(notice) === true);
  const { ledger, hooks } = asking;

  const program = (): Program => {
    const merged = hooks && mergeSettings(given.args, given.cwd, hooks.settings);
    if (hooks === undefined || merged === undefined) {
      if (hooks !== undefined) info.hooks = "off";
      return sandbox?.enclose(given) ?? given;
    }
    const env = { ...given.env, ...hooks.env };
    if (sandbox !== undefined)
      return sandbox.enclose(
        { ...given, args: ["--settings", sandbox.settings(merged.settings), ...merged.args], env },
        hooks.port,
      );
    const file = join(dir, "settings.json");
    writeFileSync(file, merged.settings, { mode: 0o600 });
    return {
      ...given,
      args: ["--settings", file, ...merged.args],
      env: { ...env, ...proxyExceptions(given.env) },
    };
  };

  const onMessage = (message: FromServer) => {
    if ("session" in message && message.session !== id) return; // of another session
    switch (message.type) {
      case "resume": {
        const begins = !resumed;
        resumed = true;
        trouble = undefined;
        onHeard?.();
        toldExit = false; // something before it may be lacking
        outbox.resume(message.seq);
        if (begins) {
          for (const prompt of untold) tell(ledger.get(prompt));
          sendStatus({});
        }
        notices.flush();
        transcript.resume(message.transcript);
        if (begins) showing.whole();
        return drain();
      }
      case "ack":
        outbox.acknowledged(message.seq);
        return drain();
      case "decide":
        return void Promise.resolve(ledger.decide(message)).then((result) => {
          link?.send({ type: "decided", decision: message.decision, result });
          // the server may think that it is on its way: what is true now is told again
          tell(ledger.get(message.prompt));
        });
      case "input":
        return void link?.send({
          type: "typed",
          input: message.input,
          ...(type?.(message) ?? { result: "order", seq: message.seq - 1 }),
        });
      case "resize":
        return sizes?.phone(
          message.cols === null || message.rows === undefined
            ? undefined
            : { cols: message.cols, rows: message.rows },
        );
      case "stop":
        return signal?.(message.signal);
      case "ended":
        return left();
      case "refused":
        trouble = message.message;
        return;
      case "ping":
        return echo?.check(); // every 2 s: a program may turn the echo off long after it has printed anything
      case "start": // a daemon's
      case "find":
        return;
      default:
        message satisfies never;
    }
  };

  link = openLink({
    pairing,
    host,
    version,
    onUp() {
      untold.clear();
      link?.send({ type: "session", session: info, first: outbox.first, prompts: ledger.list() });
    },
    onMessage,
    onDown: (reason, lasting) => {
      resumed = toldExit = false;
      transcript.pause();
      if (lasting) trouble = reason;
      onLost?.();
    },
  });

  return {
    id,
    program: program(),
    ifKilled: prepareLoss(dir, info),
    watch(pty, size, hold, reply) {
      const onHistory = (op: HistoryOp) => {
        outbox.add(op);
        drain();
      };
      const options = {
        ...size,
        onChange: screenChanged,
        onHold: hold,
        onHistory,
        colours,
        hidesInput: pty.hidesInput,
        ...(reply === undefined ? {} : { onReply: reply }),
      };
      const own = openLateScreen(options, () => resumed && showing.whole());
      late = own;
      write = pty.write;
      const watched = new EchoWatch(pty.hidesInput, () => showing.changed());
      echo = watched;
      type = openInput({
        write(data) {
          watched.stir();
          asking.touch();
          pty.write(data);
        },
        modes: () =>
          screen()?.modes() ?? {
            applicationCursor: false,
            bracketedPaste: false,
            wheel: "none",
            middle: { x: 1, y: 1 },
          },
        asked: asking.asked,
      });
      if (hooks !== undefined) {
        status = followStatus(
          sandbox?.statusDir ?? join(configDir, "sessions"),
          sandbox?.program ?? (() => programPid(pty.holder)),
          (activity, inTurn) => {
            sendStatus({ activity });
            notices.activity(activity);
            asking.activityChanged(activity);
            if (inTurn && info.hooks === "waiting")
              setTimeout(
                () => info.hooks === "waiting" && sendStatus({ hooks: "off" }),
                HOOKS_DUE_MS,
              );
          },
          (conversation) => transcript.named(transcriptOf(conversation, configDir)),
        );
      }
      signal = pty.kill;
      sizes = openSizes(
        size,
        ({ cols, rows }) => {
          pty.resize(cols, rows);
          own.later((opened) => opened.resize(cols, rows));
        },
        desk,
      );
      const onTyped = (bytes: Uint8Array) => {
        sizes?.typed(bytes);
        watched.stir();
        if (colours.typed(bytes)) showing.changed();
        if (isTyped(bytes)) asking.typed();
      };
      return { onOutput: own.feed, onResize: sizes.desk, onTyped };
    },
    async end(how) {
      const confirmed = asking.end();
      status?.close();
      const last = await late?.loaded();
      await last?.settled();
      last?.ended();
      echo?.close();
      await confirmed;
      showing.close();
      exit = { exit: how, ended_at: Date.now() };
      transcript.finish();
      let stored = false;
      if (link?.up === true) {
        const farewell = new Promise<void>((resolve) => {
          left = resolve;
        });
        drain();
        stored = await Promise.race([
          farewell.then(() => true),
          Bun.sleep(FAREWELL_MS).then(() => false),
        ]);
      }
      link?.close();
      transcript.close();
      if (!stored && !unlogged) {
        leaveRest(
          {
            session: info,
            prompts: ledger.list(),
            screen: last?.whole(),
            transcript: transcript.files,
            ...exit,
          },
          outbox,
          pairing,
        );
      }
      outbox.close();
      last?.dispose();
      rmSync(dir, { recursive: true, force: true });
      return trouble;
    },
  };
}
