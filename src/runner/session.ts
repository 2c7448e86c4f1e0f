import { mkdtempSync, rmSync } from "node:fs";
import { homedir, hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openKeys } from "../attach/keys.ts";
import { randomNonce } from "../auth.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import { keepFolder } from "../system/keep-folder.ts";
import {
  type Exit,
  type FromServer,
  type HistoryOp,
  LIMITS,
  type Prompt,
  type SessionInfo,
} from "../types.ts";
import { openAsking } from "./asking.ts";
import { backgrounded, conversationOf, goesOn } from "./claude/background.ts";
import { type InputBox, readInputBox } from "./claude/input-box.ts";
import { keepSettings, sweepSettings } from "./claude/kept-settings.ts";
import { holdsMessage, messageArrived } from "./claude/message-arrived.ts";
import { MessageWriter } from "./claude/message-writer.ts";
import { SessionColours } from "./colours.ts";
import { EchoWatch } from "./echo.ts";
import { distrustOf, transcriptOf, transcriptRoots, trustedTranscript } from "./evidence.ts";
import { openInput, type Typed, type TypedSoFar } from "./input.ts";
import { type LateScreen, openLateScreen } from "./late-screen.ts";
import { type Link, openLink, type Pairing } from "./link.ts";
import { openNotices } from "./notices.ts";
import { openOutbox } from "./outbox.ts";
import { programPid } from "./program.ts";
import type { Pty } from "./pty.ts";
import { fileSize } from "./real-file.ts";
import { leaveRest, prepareLoss } from "./rest.ts";
import { maskSecrets } from "./secrets.ts";
import { denyRules, mergeSettings, withoutProxy } from "./settings.ts";
import { openShowing } from "./showing.ts";
import { openSizes, type Sizes } from "./sizes.ts";
import { followStatus } from "./status.ts";
import { followTranscript } from "./transcript.ts";
import type { Program, Size, Watch } from "./wrap.ts";

/** From 2.1.332 on Claude prints a short form of its login link; the whole one says for whom, and for what, somebody logs in on the phone. */
const FULL_LOGIN_LINK = { CLAUDE_CODE_FULL_SIGN_IN_LINK: "1" };
/** How long the way out waits for the server to have everything, in ms. */
const FAREWELL_MS = 1000;
/** Claude answers somebody, so its hook for what was said should have come by now; otherwise hooks are off. In ms. */
const HOOKS_DUE_MS = 3000;

/** The rest of what the desk's terminal says by itself comes within this time, in ms; an Escape alone was a key. */
const REPLY_MS = 300;

/** What is said of a terminal that is larger than what is sent of it. */
const BEYOND = `what stands beyond column or row ${LIMITS.screenSide} of the terminal`;

/** How often the session's folder is looked after, in ms: systems sweep `/tmp` after days. */
const RENEW_MS = 10 * 60_000;
/** A socket's path has at most this many bytes (`sun_path` on macOS, which Linux exceeds by four). */
const SOCKET_PATH_BYTES = 103;

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
  onLost?: ((reason: string, lasting: boolean) => void) | undefined;
  /** The server knows the session: whatever kept it from that is over. */
  onHeard?: (() => void) | undefined;
  /** Where a daemon started it. */
  started?: Started | undefined;
  /** It runs in there. */
  sandbox?: Sandbox | undefined;
  /** The folder for settings that claude may want again after the session; by default they go with it. */
  kept?: string | undefined;
  /** Folders of ours that Claude's own tools are to leave alone. */
  denied?: readonly string[] | undefined;
  /** The server's origin by now. */
  address?: (() => string) | undefined;
  /** The folder where waits for the server what it lacks at the end. */
  undelivered?: string | undefined;
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
  {
    desk,
    unlogged,
    onLost,
    onHeard,
    started,
    sandbox,
    kept: keptDir,
    denied = [],
    address,
    undelivered,
  }: SessionOptions,
): Session {
  const id = started?.id ?? `s_${randomNonce()}`;
  const host = hostname();
  const dir = started?.dir ?? mkdtempSync(join(tmpdir(), "claude-remote-"));
  const socket = hookSocket(dir);
  const kept = keptDir ?? join(dir, "settings");
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
  let keys: ReturnType<typeof openKeys> | undefined;
  let write: Pty["write"] = () => undefined;
  let signal: Pty["kill"] | undefined;
  let exit: { exit: Exit; ended_at: number } | undefined;
  let toldExit = false;
  let resumed = false; // the server knows this session on the present connection
  let left: () => void = () => undefined;
  let trouble: string | undefined;
  let isCut = false; // the terminal was larger than what is sent of it
  let talk = ""; // Claude's own id of the conversation
  let heard = ""; // what Claude was told last, as its hook tells
  let typedAt = Number.NEGATIVE_INFINITY; // when a key was pressed at the desk

  const sendStatus = (change: Partial<SessionInfo>) => {
    Object.assign(info, change);
    if (resumed)
      link?.send({
        type: "status",
        session: id,
        hooks: info.hooks,
        activity: info.activity,
        background: info.background,
        refused: info.refused,
      });
  };
  if (sandbox !== undefined) sandbox.report.onRefused = (refused) => sendStatus({ refused });
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

  /** Claude's input box, as far as the screen shows it. */
  const box = (): InputBox | undefined => {
    const shown = screen();
    return (
      shown &&
      readInputBox({
        ...{ rows: shown.plain(), cursor: shown.cursor(), isDim: shown.isDim },
        strayCursor: info.activity === "unknown",
      })
    );
  };
  /** Where Claude writes down the conversation that the terminal shows; empty where it has not begun. */
  const conversationFile = () => {
    const job = info.background;
    const parked = job === undefined ? undefined : conversationOf(configDir, job);
    return transcriptOf(parked ?? talk, configDir);
  };
  /** Tells what became of an input, of a message once that is known. */
  const answerInput = (input: string, typed: TypedSoFar) => {
    const answer = ({ result, seq }: Typed) =>
      void link?.send({ type: "typed", input, result, seq });
    if (typed.later === undefined) answer(typed);
    else void typed.later.then(answer);
  };
  const messageWriter = (pty: Pty) =>
    new MessageWriter({
      write(data) {
        asking.touch();
        pty.write(data);
      },
      takesPastes: () => screen()?.modes().bracketedPaste ?? false,
      losesEnter: () => info.activity === "unknown", // older versions write no status
      box,
      asked: asking.asked,
      typedAt: () => typedAt,
      watch(text) {
        const file = conversationFile();
        const since = fileSize(file) ?? 0;
        heard = "";
        if (file !== "") return () => messageArrived(file, since, text);
        // of a conversation's first message the file tells late
        return () => holdsMessage(heard, text) || messageArrived(conversationFile(), 0, text);
      },
    });

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
      hookSocket: sandbox === undefined ? socket : undefined,
      roots,
      outside: sandbox?.outside,
      news: () => sandbox?.report.news(),
      onChange: tell,
    },
    screen,
    activity: () => status?.activity ?? "unknown",
    hookDue: () => info.hooks === "on" && status?.asksPermission === true,
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
      if (event.hook_event_name === "UserPromptSubmit") sandbox?.report.asked();
      if (!own) return; // of another session, which this terminal does not show
      if (event.hook_event_name === "UserPromptSubmit") heard = event.prompt ?? "";
      notices.note(event);
      transcript.named(event.transcript_path);
    },
  });
  const notices = openNotices(id, (notice) => resumed && link?.send(notice) === true);
  const { ledger, hooks } = asking;
  const renewing = setInterval(() => {
    keepFolder(dir);
    hooks?.renew();
  }, RENEW_MS);
  renewing.unref();

  const program = (): Program => {
    if (hooks === undefined) return sandbox?.enclose(given) ?? given;
    const env = { ...FULL_LOGIN_LINK, ...given.env, ...hooks.env };
    // a sandbox does not see these folders at all
    const deny = sandbox === undefined ? denyRules(denied, given.cwd) : [];
    const merged = mergeSettings(given.args, given.cwd, { ...hooks.settings, deny });
    if (merged === undefined) {
      info.hooks = "off";
      return sandbox?.enclose(given) ?? { ...given, env };
    }
    if (sandbox !== undefined)
      return sandbox.enclose(
        { ...given, args: merged.args(sandbox.settings(withoutProxy(merged.json))), env },
        hooks.port,
      );
    const settings = merged.fromFile ? keepSettings(kept, id, merged.json) : merged.json;
    return { ...given, args: merged.args(settings), env };
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
        return answerInput(
          message.input,
          type?.(message) ?? { result: "order", seq: message.seq - 1 },
        );
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
      onLost?.(reason, lasting);
    },
    address,
  });

  return {
    id,
    program: program(),
    ifKilled: prepareLoss(dir, info),
    watch(pty, size, hold, reply, repaint) {
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
        inShell: () => hooks !== undefined && box()?.shell === true,
        messages: hooks && messageWriter(pty),
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
          (conversation) => {
            talk = conversation;
            return transcript.named(transcriptOf(conversation, configDir));
          },
          undefined,
          (background) => sendStatus({ background }),
        );
      }
      signal = pty.kill;
      const measure = ({ cols, rows }: Size) => {
        isCut ||= Math.max(cols, rows) > LIMITS.screenSide;
      };
      measure(size);
      sizes = openSizes(
        size,
        ({ cols, rows, pixels }, byPhone) => {
          measure({ cols, rows });
          pty.resize(cols, rows, pixels);
          own.later((opened) => opened.resize(cols, rows));
          if (byPhone) repaint?.();
        },
        desk,
      );
      const pressed = () => {
        sizes?.typed();
        typedAt = performance.now();
        asking.typed();
      };
      keys = openKeys(
        (typed) => {
          // a mouse that passes over the window is nobody who types
          if (typed.kind !== "key" || !typed.key.startsWith("Wheel")) pressed();
        },
        { escapeMs: REPLY_MS, onUnnamed: pressed },
      );
      const onTyped = (bytes: Uint8Array) => {
        keys?.feed(bytes);
        watched.stir();
        if (colours.typed(bytes)) showing.changed();
      };
      return {
        onOutput: own.feed,
        onResize: sizes.desk,
        onTyped,
        paint: (terminal, modes, done) =>
          own.later((opened) => opened.paint(terminal, modes, done)),
      };
    },
    async end(how) {
      clearInterval(renewing);
      const confirmed = asking.end();
      keys?.close();
      status?.close();
      const last = await late?.loaded();
      await last?.settled();
      last?.ended();
      echo?.close();
      await confirmed;
      showing.close();
      const background =
        hooks === undefined
          ? undefined
          : goesOn(configDir, info.background ?? backgrounded(last?.plain() ?? []));
      exit = {
        exit: background === undefined ? how : { ...how, background },
        ended_at: Date.now(),
      };
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
          undelivered,
        );
      }
      outbox.close();
      last?.dispose();
      rmSync(dir, { recursive: true, force: true });
      rmSync(dirname(socket), { recursive: true, force: true });
      sweepSettings(kept, configDir, id);
      return trouble ?? (isCut ? BEYOND : undefined);
    },
  };
}

/** Where hooks call: in the session's own folder, or, where that has too long a name for a socket, in a short one. */
function hookSocket(dir: string): string {
  const path = join(dir, "hooks");
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES) return path;
  return join(mkdtempSync("/tmp/claude-remote-"), "hooks");
}
