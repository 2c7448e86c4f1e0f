import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { programPid } from "../src/runner/program.ts";
import { ConversationsAnswer, parseJson, View } from "../src/types.ts";
import { SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { startMockApi } from "./support/mock-anthropic.ts";
import { runners, startRunner, startSession } from "./support/runner.ts";
import {
  containers,
  ENGINE,
  everythingIn,
  homeInside,
  NO_SANDBOX,
  runInside,
  sandboxesOf,
  settle,
  startSandboxed,
} from "./support/sandbox.ts";
import { openTty } from "./support/tty.ts";
import { until } from "./support/until.ts";

describe.skipIf(NO_SANDBOX !== "")(`the real Claude Code in a sandbox${NO_SANDBOX}`, () => {
  let server: HomeServer;
  let claude: Awaited<ReturnType<typeof startSandboxed>>;
  beforeAll(async () => {
    server = await startHomeServer();
    claude = await startSandboxed(server);
  }, 600_000);
  afterAll(async () => {
    await claude.quit();
    expect(claude.api.complaints).toEqual([]);
    expect(readdirSync(claude.work).filter((name) => name.startsWith("."))).toEqual([]);
    await server.stop();
  }, 30_000);

  test("it asks, the phone approves, and the file is there", async () => {
    const events = await server.phone.events();
    const [session] = await server.phone.sessions();
    expect(session).toMatchObject({
      sandbox: true,
      cwd: claude.work,
      status: "running",
      desk: true,
    });
    await claude.say("run: touch approved.txt");
    const prompt = await server.phone.prompt();
    expect(parseJson(View, prompt.view)).toMatchObject({
      tool: "Bash",
      input: { command: "touch approved.txt" },
      cwd: claude.work,
    });
    expect(existsSync(join(claude.work, "approved.txt"))).toBe(false);
    expect(await server.phone.approve(prompt)).toEqual({ status: 200, body: { state: "sent" } });
    await until("the command ran", () => existsSync(join(claude.work, "approved.txt")));
    const applied = await events.next(
      "prompt_response",
      (data) =>
        data.id === prompt.id && data.answer?.receipt !== "sent" && data.state === "answered",
    );
    expect(applied.answer).toMatchObject({ decision: "approve", receipt: "applied" });
    await claude.tty.sees("Done.");
    events.close();
  }, 60_000);

  test("answered at the desk, the card goes, and Claude's own status is told", async () => {
    const events = await server.phone.events();
    await claude.say("run: touch desk.txt; sleep 3");
    const prompt = await server.phone.prompt();
    await until("it waits", async () => (await server.phone.sessions())[0]?.activity === "waiting");
    await claude.tty.sees("Do you want to proceed?");
    await Bun.sleep(400); // Claude swallows keys just after the dialog is drawn
    claude.tty.type("1");
    const settled = await events.next("prompt_response", (data) => data.id === prompt.id);
    expect(settled).toMatchObject({
      state: "answered",
      answer: { by: "desk", decision: "approve" },
    });
    await until("it is idle", async () => (await server.phone.sessions())[0]?.activity === "idle");
    events.close();
  }, 60_000);

  test("a rejection ends the turn at once", async () => {
    await claude.say("run: touch rejected.txt");
    const prompt = await server.phone.prompt();
    await server.phone.json("POST", `/api/prompts/${prompt.id}/reject`, {});
    await claude.tty.sees("Interrupted");
    expect(existsSync(join(claude.work, "rejected.txt"))).toBe(false);
  }, 60_000);

  test("what the sandbox refused Claude says at the desk, after the tool that asked for it", async () => {
    await claude.say("run: curl -s https://files.pythonhosted.org/; touch refused.txt");
    const prompt = await server.phone.prompt();
    const { always = [] } = parseJson(View, prompt.view) ?? {};
    // its settings can't be written to in here
    expect(always.map(({ writes }) => writes)).toEqual([
      expect.stringMatching(/^allow Bash\(curl .*\) → this session$/),
    ]);
    await server.phone.approve(prompt);
    await until("the command ran", () => existsSync(join(claude.work, "refused.txt")));
    await claude.tty.sees("says: the sandbox asked for files.pythonhosted.org; allow with");
    await claude.tty.sees(/`--sandbox-host\s+files\.pythonhosted\.org`/);
    expect((await server.phone.sessions())[0]?.refused).toEqual(["files.pythonhosted.org"]);
  }, 60_000);

  test("the conversation can be read on the phone", async () => {
    const [session] = await server.phone.sessions();
    const text = () =>
      server.phone
        .json("GET", `/api/sessions/${session?.id}/transcript`)
        .then(({ body }) => JSON.stringify(body));
    await until("it is there", async () => (await text()).includes("touch approved.txt"));
  }, 30_000);

  test("the phone types, and the terminal's size goes through", async () => {
    const [session] = await server.phone.sessions();
    const typed = { stream: "typing", seq: 1, text: "hello from afar", paste: true, enter: true };
    await until(
      "it is taken",
      async () =>
        (await server.phone.json("POST", `/api/sessions/${session?.id}/input`, typed)).status ===
        200,
    );
    await claude.tty.sees("You said: hello from afar", 15_000);
    claude.tty.resize(70, 20);
    await until("it is drawn anew", () =>
      claude.tty.screen.text().some((row) => /^─{70}$/.test(row)),
    );
    claude.tty.resize(100, 30);
    await until("it is drawn anew", () =>
      claude.tty.screen.text().some((row) => /^─{100}$/.test(row)),
    );
  }, 30_000);

  test("Ctrl-Z stops nothing that nobody could continue", async () => {
    claude.tty.type("\x1a");
    await Bun.sleep(500);
    await until(
      "it listens again",
      async () => {
        claude.tty.type("x");
        await Bun.sleep(200);
        return /❯\sx/.test(claude.tty.text());
      },
      30_000,
    );
    claude.tty.type("\x15");
    await until("what was typed is gone", () => !/❯\sx/.test(claude.tty.text()));
    await claude.say("run: touch after.txt");
    await server.phone.approve(await server.phone.prompt());
    await until("the command ran", () => existsSync(join(claude.work, "after.txt")));
  }, 40_000);
});

describe.skipIf(NO_SANDBOX !== "")(`a sandbox${NO_SANDBOX}`, () => {
  let server: HomeServer;
  let work: string;
  beforeEach(async () => {
    server = await startHomeServer();
    work = join(server.home.dir, "work");
  }, 30_000);
  afterEach(() => server.stop());

  /** Wraps a program in a sandbox, on a terminal. */
  const wrap = (command: string, args: string[], flags: string[] = []) =>
    openTty([...SELF, "run", "--sandbox", ...flags, "--command", command, "--", ...args], {
      env: { ...server.home.env, ...ENGINE },
      cwd: work,
    });
  const onRecord = () => {
    const folder = join(sandboxesOf(server.home), "running");
    return existsSync(folder)
      ? readdirSync(folder).flatMap((name) =>
          name.endsWith(".json") ? [name.slice(0, -".json".length)] : [],
        )
      : [];
  };
  const ended = () =>
    until(
      "it is over",
      async () => (await server.phone.sessions()).find(({ status }) => status === "ended"),
      15_000,
    );
  /** Nothing of a sandbox is left. */
  const gone = async (name: string) => {
    await until("the container is gone", async () => !(await containers()).includes(name), 20_000);
    await until("nothing is on record", () => onRecord().length === 0);
    expect(readdirSync(work).filter((entry) => entry.startsWith("."))).toEqual([]);
    await until("its folder is gone", () =>
      readdirSync(join(server.home.dir, "tmp")).every(
        (entry) => !entry.startsWith("claude-remote-"),
      ),
    );
  };

  test("the exit is the program's own: a code, a signal, or that there is no such program", async () => {
    for (const [script, code, signal] of [
      ["exit 3", 3, undefined],
      ["exit 125", 125, undefined],
      ["kill -9 $$", 137, "SIGKILL"],
      ["kill -TERM $$", 143, "SIGTERM"],
    ] as const) {
      const tty = wrap("bash", ["-c", script]);
      expect((await tty.exited).code).toBe(code);
      expect(tty.text()).not.toContain("could not be started");
      expect((await server.phone.sessions()).map(({ exit }) => exit)).toContainEqual(
        signal === undefined ? { code } : { code, signal },
      );
    }
    const none = wrap("no-such-program", []);
    expect((await none.exited).code).toBe(127);
    expect(none.text()).toContain("not found");
    expect(onRecord()).toEqual([]);
  }, 60_000);

  test("Ctrl-C, a hang-up and other signals reach the program once, and Ctrl-Z is no way out", async () => {
    const tty = wrap("bash", [
      "-c",
      'for s in INT TERM HUP USR1; do trap "echo got $s." $s; done; trap "exit 7" USR2; echo ready.; while :; do sleep 0.1; done',
    ]);
    await tty.sees("ready.");
    tty.type("\x03");
    await tty.sees("got INT.");
    const wrapper = programPid(tty.pty.holder) ?? 0;
    for (const signal of ["TERM", "HUP", "USR1"] as const) {
      process.kill(wrapper, `SIG${signal}`);
      await tty.sees(`got ${signal}.`);
    }
    expect(tty.text().match(/got /g)).toHaveLength(4);
    const name = onRecord()[0] ?? "";
    expect(await containers()).toContain(name);
    process.kill(wrapper, "SIGUSR2");
    expect((await tty.exited).code).toBe(7);
    await gone(name);

    const sleep = wrap("bash", ["-c", "echo ready.; exec sleep 600"]);
    await sleep.sees("ready.");
    sleep.type("\x1a");
    let over = false;
    void sleep.exited.then(() => (over = true));
    await until("Ctrl-C ends it", async () => {
      sleep.type("\x03");
      await Bun.sleep(300);
      return over;
    });
    expect((await sleep.exited).code).toBe(130);
  }, 60_000);

  test("stopped from the phone, even by SIGKILL, nothing of it runs on", async () => {
    for (const signal of ["SIGTERM", "SIGKILL"]) {
      const tty = wrap("bash", ["-c", "echo ready.; sleep 600 & sleep 600"]);
      await tty.sees("ready.");
      const name = onRecord()[0] ?? "";
      const session = await until("it is shown", async () =>
        (await server.phone.sessions()).find(({ status }) => status === "running"),
      );
      await server.phone.json("POST", `/api/sessions/${session.id}/stop`, { signal });
      await tty.exited;
      await gone(name);
    }
  }, 60_000);

  test("the wrapper killed, the container ends, and nothing stays in the project", async () => {
    const before = everythingIn(work);
    const tty = wrap("bash", ["-c", "trap '' TERM HUP; echo ready.; while :; do sleep 1; done"]);
    await tty.sees("ready.");
    const name = onRecord()[0] ?? "";
    expect(readdirSync(work).toSorted()).toEqual([".claude", ".git", ".mcp.json"]);
    process.kill(programPid(tty.pty.holder) ?? 0, "SIGKILL");
    await gone(name);
    expect(everythingIn(work)).toEqual(before);
    expect((await ended()).exit).toEqual({ code: -1, lost: true });
  }, 60_000);

  test("wrapper and guard killed at once, the container ends by itself, and the next start takes the rest away, but nothing of those that live", async () => {
    const tty = wrap("bash", ["-c", "trap '' TERM HUP; echo ready.; while :; do sleep 1; done"]);
    await tty.sees("ready.");
    const left = onRecord()[0] ?? "";
    const other = wrap("bash", ["-c", "echo other.; read x; exit 4"]);
    await other.sees("other.");
    const live = onRecord().find((name) => name !== left) ?? "";
    const wrapper = programPid(tty.pty.holder) ?? 0;
    const children = readFileSync(`/proc/${wrapper}/task/${wrapper}/children`, "utf8")
      .trim()
      .split(" ")
      .map(Number);
    for (const child of children)
      if (readFileSync(`/proc/${child}/cmdline`, "utf8").includes("__sweep"))
        process.kill(child, "SIGKILL");
    process.kill(wrapper, "SIGKILL");
    await until("the container is gone", async () => !(await containers()).includes(left), 20_000);
    expect(onRecord().toSorted()).toEqual([left, live].toSorted());
    expect((await runInside(server.home, work, "exit 6")).code).toBe(6);
    expect(onRecord()).toEqual([live]);
    expect(await containers()).toContain(live);
    expect(readdirSync(work).toSorted()).toEqual([".claude", ".git", ".mcp.json"]); // the other one needs them
    other.type("\r");
    expect((await other.exited).code).toBe(4);
    await gone(live);
  }, 60_000);

  test("a program that stops the one that watches over it is ended from outside all the same", async () => {
    const tty = wrap("bash", [
      "-c",
      "for p in /proc/[0-9]*; do p=$(basename $p); [ $p != 1 ] && grep -qs [i]nside.mjs /proc/$p/cmdline && kill -STOP $p; done; trap '' TERM HUP; echo stopped.; while :; do sleep 1; done",
    ]);
    await tty.sees("stopped.");
    const name = onRecord()[0] ?? "";
    process.kill(programPid(tty.pty.holder) ?? 0, "SIGKILL");
    await gone(name);
  }, 60_000);

  test("what it was refused is told while it runs, and with what it changed at its end, at the desk and on the phone", async () => {
    writeFileSync(join(work, "CLAUDE.md"), "mine\n");
    writeFileSync(join(work, "package.json"), "{}\n");
    const script = `curl -s https://registry.npmjs.org/; curl -s https://registry.npmjs.org/again; curl -s http://deb.debian.org/; echo asked.; read x
      echo more >> CLAUDE.md; touch -d 2000-01-01 CLAUDE.md; mkdir -p app/.vscode; echo '{}' > app/.vscode/tasks.json; printf 'x' > .envrc; echo '{}' > package.json; echo free > notes.txt`;
    const tty = wrap("bash", ["-c", script]);
    await tty.sees("asked.");
    const refused = ["registry.npmjs.org", "deb.debian.org:80"];
    await until("the phone hears of it", async () =>
      Bun.deepEquals((await server.phone.sessions())[0]?.refused, refused),
    );
    tty.type("\r");
    await tty.exited;
    const changed = [".envrc", "CLAUDE.md", "app/.vscode/tasks.json"];
    expect((await ended()).exit).toEqual({ code: 0, refused, changed });
    const said = tty.text().replaceAll(/\s+/g, " ");
    expect(said).toContain(
      "the sandbox asked for registry.npmjs.org, deb.debian.org:80; allow with `--sandbox-host registry.npmjs.org` `--sandbox-host deb.debian.org:80`",
    );
    expect(said).toContain(
      "changed files that tell programs outside what to run: .envrc, CLAUDE.md, app/.vscode/tasks.json. Read them",
    );
    for (const name of readdirSync(work)) rmSync(join(work, name), { recursive: true });
  }, 60_000);

  test("so it is where nothing is shown, and a name that would deceive is shown as it is", async () => {
    const script =
      "curl -s https://pypi.org; mkdir -p $'a\\u202eb' && echo x > $'a\\u202eb/Makefile'; mkdir -p $'c\\x1b[2Jd'; echo x > $'c\\x1b[2Jd/.npmrc'";
    const { err } = await runInside(server.home, work, script);
    expect(err).toContain("asked for pypi.org; allow with `--sandbox-host pypi.org`");
    expect(err).toContain("aU+202Eb/Makefile");
    expect(err).toContain("cU+001B[2Jd/.npmrc");
    for (const name of readdirSync(work)) rmSync(join(work, name), { recursive: true });
  }, 60_000);

  test("a folder within one that a sandbox has, or around it, is not taken meanwhile", async () => {
    const tty = wrap("bash", ["-c", "echo ready.; read x"]);
    await tty.sees("ready.");
    mkdirSync(join(work, "part"));
    const refused = await runInside(server.home, join(work, "part"), "echo IN");
    expect([refused.code, refused.out]).toEqual([126, ""]);
    expect(refused.err).toContain(`a sandbox runs in ${work}`);
    tty.type("\r");
    await tty.exited;
    rmSync(join(work, "part"), { recursive: true });
  }, 60_000);

  test("what a sandbox in the same project can change is not mounted in another one meanwhile", async () => {
    const git = (...args: string[]) =>
      expect(
        Bun.spawnSync(["git", ...args], { cwd: work, env: { ...server.home.env } }).exitCode,
      ).toBe(0);
    git("init", "-q");
    const tty = wrap("bash", ["-c", "echo ready.; read x"]);
    await tty.sees("ready.");
    for (const flags of [[], ["--sandbox-git"]])
      expect((await runInside(server.home, work, "echo IN", flags)).out).toBe("IN\n");
    git("config", "core.hooksPath", "tools/hooks");
    const refused = await runInside(server.home, work, "echo IN");
    expect([refused.code, refused.out]).toEqual([126, ""]);
    expect(refused.err).toContain("may write to tools, which is to be guarded now");
    tty.type("\r");
    await tty.exited;
    expect((await runInside(server.home, work, "echo IN")).out).toBe("IN\n");
    expect(readdirSync(work)).toEqual([".git"]);
  }, 60_000);

  test("links in its home lead the conversation nowhere, whoever names them", async () => {
    const secret = {
      type: "user",
      message: { role: "user", content: "a secret of the host" },
      timestamp: new Date().toISOString(),
    };
    const theirs = join(server.home.dir, ".claude/projects/x");
    mkdirSync(theirs, { recursive: true });
    writeFileSync(join(theirs, "real.jsonl"), `${JSON.stringify(secret)}\n`);
    homeInside(server.home, work);
    const tell = (path: string) =>
      `curl -sS -m 5 -o /dev/null -w '%{http_code}.' -H "Authorization: Bearer $CLAUDE_REMOTE_HOOK_TOKEN" -d "{\\"hook_event_name\\":\\"UserPromptSubmit\\",\\"session_id\\":\\"x\\",\\"transcript_path\\":\\"${path}\\",\\"cwd\\":\\"/workspace\\"}" "$URL"`;
    writeFileSync(
      join(work, "claude"),
      `#!/bin/bash
       URL=$(grep -o 'http://127.0.0.1:[0-9]*/hook' /run/claude-remote/settings.json | head -1)
       P=$CLAUDE_CONFIG_DIR/projects; mkdir -p $P/w; own() { echo '{"type":"user","message":{"role":"user","content":"my own words"}}'; }
       ln -s ${theirs} $P/linked; ln -s ${theirs}/real.jsonl $P/w/link.jsonl; mkfifo $P/w/pipe.jsonl; ln -s ${join(server.home.dir, ".claude")} $HOME/x
       ${["$P/linked/real.jsonl", "$P/w/link.jsonl", "$P/w/pipe.jsonl", `${theirs}/real.jsonl`, "$CLAUDE_CONFIG_DIR/../../../../../../../.claude/projects/x/real.jsonl", "/workspace/real.jsonl"].map(tell).join("\n")}
       own > $P/w/real.jsonl; ${tell("$P/w/real.jsonl")}
       sleep 2; mv $P/w $P/aside; ln -s ${theirs} $P/w; sleep 2
       rm $P/w; mv $P/aside $P/w; own >> $P/w/real.jsonl; sleep 2
       echo '{"status":"busy"}' > $CLAUDE_CONFIG_DIR/sessions/9.json; sleep 2; rm $CLAUDE_CONFIG_DIR/sessions/9.json; ln -s /etc/passwd $CLAUDE_CONFIG_DIR/sessions/9.json; echo told.; read x\n`,
      { mode: 0o755 },
    );
    const tty = wrap("/workspace/claude", []);
    await tty.sees("told.", 30_000);
    expect(tty.text()).toContain("200.200.200.200.200.200.200.");
    const [session] = await server.phone.sessions();
    const text = JSON.stringify(
      (await server.phone.json("GET", `/api/sessions/${session?.id}/transcript`)).body,
    );
    expect(text.match(/my own words/g)?.length).toBeGreaterThanOrEqual(2); // a file that goes and comes back is read anew
    expect(text).not.toContain("secret");
    tty.type("\r");
    await tty.exited;
  }, 60_000);

  test.skipIf(process.getuid?.() !== 0)(
    "started by root in somebody else's project, it is theirs that works inside, hooks and all",
    async () => {
      chownSync(work, 1000, 1000);
      const own = [
        "id -u; id -g; touch mine.txt ~/mine.txt $CLAUDE_CONFIG_DIR/mine.txt $CLAUDE_CONFIG_DIR/sessions/1.json && echo written.",
        `URL=$(grep -o 'http://127.0.0.1:[0-9]*/hook' /run/claude-remote/settings.json | head -1)`,
        `curl -sS -m 5 -o /dev/null -w '%{http_code}.\n' -H "Authorization: Bearer $CLAUDE_REMOTE_HOOK_TOKEN" -d '{"hook_event_name":"SessionEnd","session_id":"x","transcript_path":"/x","cwd":"/workspace"}' "$URL"`,
        `curl -sS -m 5 -o /dev/null -w '%{http_code}.\n' http://example.com/; echo over.; read x`,
      ];
      writeFileSync(join(work, "claude"), `#!/bin/bash\n${own.join("\n")}\n`, { mode: 0o755 });
      const tty = wrap("/workspace/claude", []);
      await tty.sees("over.");
      expect(tty.text().trim().split(/\s+/)).toEqual([
        "1000",
        "1000",
        "written.",
        "200.",
        "403.",
        "over.",
      ]);
      expect(statSync(join(work, "mine.txt"))).toMatchObject({ uid: 1000, gid: 1000 });
      tty.type("\r");
      await tty.exited;
      chownSync(work, 0, 0);
    },
    60_000,
  );

  test("without a terminal of its own, as a daemon starts it, it is seen from afar, and ends when it is told to", async () => {
    const from = (module: string) => JSON.stringify(resolve(import.meta.dir, "../src", module));
    const daemon = join(server.home.dir, "daemon.ts");
    writeFileSync(
      daemon,
      `import { programOf, runWith } from ${from("commands/run.ts")}; import { loadPairing } from ${from("runner/pairing.ts")}; import { sweepLeft } from ${from("sandbox/records.ts")};
      const [word, data] = process.argv.slice(2);
      if (word === "__sweep") process.exit(await sweepLeft([data])); // as src/cli.ts does
      const program = programOf("bash", ["-c", "stty size; read x; exit 5"]);
      process.exit(await runWith(loadPairing(process.env.HOME + "/.config/claude-remote/pairing.json"), program, { unseen: { cols: 90, rows: 20 }, sandbox: { git: false, pass: [], hosts: [] } }));`,
    );
    const start = () =>
      Bun.spawn([process.execPath, daemon], {
        cwd: work,
        env: { ...server.home.env, ...ENGINE },
        stdin: "ignore",
        stdout: "ignore",
        stderr: "inherit",
      });
    const child = start();
    const session = await until(
      "it is shown",
      async () => (await server.phone.sessions()).find(({ status }) => status === "running"),
      20_000,
    );
    expect(session).toMatchObject({ sandbox: true, desk: false });
    const screen = () =>
      server.phone
        .events(session.id)
        .then(async (events) => JSON.stringify(await events.next("screen")));
    await until("its terminal is there", async () => (await screen()).includes("20 90"));
    await server.phone.json("POST", `/api/sessions/${session.id}/input`, {
      stream: "page",
      seq: 1,
      enter: true,
    });
    expect(await child.exited).toBe(5);
    const other = start();
    await until(
      "its container is there",
      async () => (await containers()).includes(onRecord()[0] ?? "-"),
      20_000,
    );
    const name = onRecord()[0] ?? "";
    other.kill("SIGKILL");
    await until("the container is gone", async () => !(await containers()).includes(name), 20_000);
    await until("nothing is on record", () => onRecord().length === 0);
    expect(readdirSync(work)).toEqual([]);
  }, 60_000);

  test("a daemon starts claude in one when the dashboard asks, and the phone answers it; what can't be put into one is refused in words", async () => {
    const { api, passed, port } = settle(server, work);
    const env = {
      ...ENGINE,
      ...passed,
      CLAUDE_REMOTE_SANDBOX_PASS: Object.keys(passed).join(" "),
      CLAUDE_REMOTE_SANDBOX_HOSTS: `localhost:${port}`,
    };
    const runner = await startRunner(server, [work], env);
    expect((await runners(server))[0]?.no_sandbox).toBeNull();
    const id = await startSession(server, {
      cwd: work,
      args: ["--permission-mode", "manual"],
      sandbox: true,
      cols: 80,
      rows: 24,
    });
    const session = () =>
      server.phone.sessions().then((all) => all.find((other) => other.id === id));
    await until("claude is there", async () => (await session())?.activity === "idle", 30_000);
    expect(await session()).toMatchObject({ sandbox: true, desk: false, cwd: work });
    const name = onRecord()[0] ?? "";
    await server.phone.json("POST", `/api/sessions/${id}/input`, {
      stream: "page",
      seq: 1,
      text: "run: touch afar.txt",
      paste: true,
      enter: true,
    });
    await server.phone.approve(await server.phone.prompt());
    await until("the command ran", () => existsSync(join(work, "afar.txt")));
    const listed = async (query: object) => {
      const place = `/api/runners/${(await runners(server))[0]?.id}/conversations?${new URLSearchParams({ cwd: work, ...query })}`;
      return v.parse(ConversationsAnswer, (await server.phone.json("GET", place)).body)
        .conversations;
    };
    await until(
      "it can be gone on with, inside alone",
      async () => (await listed({ sandbox: "1" })).length === 1 && (await listed({})).length === 0,
    );
    const [past] = await listed({ sandbox: "1" });
    expect(past?.title).toContain("touch afar.txt");
    await server.phone.json("POST", `/api/sessions/${id}/stop`, {});
    await until("it is over", async () => (await session())?.status === "ended");
    await gone(name);
    const next = await startSession(server, {
      cwd: work,
      args: ["--permission-mode", "manual", "--resume", past?.id ?? ""],
      sandbox: true,
      cols: 80,
      rows: 24,
    });
    await until("what was said is there", async () =>
      JSON.stringify(
        (await server.phone.json("GET", `/api/sessions/${next}/transcript?limit=100`)).body,
      ).includes("afar.txt"),
    );
    const again = onRecord()[0] ?? "";
    expect(await runner.end()).toBe(0);
    await gone(again);

    const wide = await startRunner(server, [server.home.dir], env);
    const refused = await server.phone.json(
      "POST",
      `/api/runners/${(await runners(server))[0]?.id}/sessions`,
      { cwd: server.home.dir, sandbox: true },
    );
    expect([refused.status, JSON.stringify(refused.body)]).toEqual([
      409,
      expect.stringContaining("is no project folder for a sandbox"),
    ]);
    await wide.end();
    api.stop();
  }, 90_000);

  test("it is over at once where nothing is to be shown, and its output is the program's alone", async () => {
    const { code, out, err } = await runInside(server.home, work, "echo out; echo err >&2; exit 9");
    expect({ code, out }).toEqual({ code: 9, out: "out\n" });
    expect(err).toEndWith("err\n");
    expect(await server.phone.sessions()).toEqual([]);
  }, 60_000);

  test("flags that go with --sandbox are refused without it, and so are mistakes in them", async () => {
    const run = async (...args: string[]) => {
      const child = Bun.spawn([...SELF, "run", ...args, "--command", "true"], {
        env: { ...server.home.env, ...ENGINE },
        cwd: work,
        stdin: "ignore",
        stderr: "pipe",
      });
      return [await child.exited, await new Response(child.stderr).text()] as const;
    };
    expect(await run("--sandbox-git")).toEqual([2, expect.stringContaining("go with --sandbox")]);
    expect(await run("--sandbox", "--sandbox-host", "*.example.com")).toEqual([
      126,
      expect.stringContaining("*.example.com is no place"),
    ]);
    expect(await run("--sandbox", "--sandbox-pass", "A=b")).toEqual([
      126,
      expect.stringContaining("A=b is no name of a variable"),
    ]);
  }, 60_000);

  test("an image of one's own, on top of ours, has what was added to it, and runs nothing before the filter", async () => {
    const file = join(server.home.dir, "Dockerfile");
    writeFileSync(
      file,
      'FROM claude-remote-sandbox\nRUN echo mine > /opt/mine\nENTRYPOINT ["false"]\nHEALTHCHECK --interval=1s CMD touch /workspace/checked\n',
    );
    const script =
      "cat /opt/mine; grep -h ^Seccomp_filters: /proc/self/status; sleep 3; ls -A /workspace";
    const own = await runInside(server.home, work, script, ["--sandbox-dockerfile", file]);
    expect(own.out).toBe("mine\nSeccomp_filters:\t2\n.claude\n.git\n.mcp.json\n");
    const made = `${Bun.spawnSync(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]).stdout}`;
    const [tag = ""] = /claude-remote-sandbox:own-\S+/.exec(made) ?? [];
    const env = { CLAUDE_REMOTE_SANDBOX_IMAGE: tag };
    expect((await runInside(server.home, work, "cat /opt/mine", [], env)).out).toBe("mine\n");
    const base = await runInside(server.home, work, "echo IN", ["--sandbox-image", "node:22-slim"]);
    expect([base.code, base.out]).toEqual([126, ""]);
    expect(base.err).toContain("node:22-slim does not build on the sandbox's image");
    writeFileSync(join(work, "Dockerfile"), "FROM claude-remote-sandbox\n");
    const inside = await runInside(server.home, work, "echo IN", [
      "--sandbox-dockerfile",
      "Dockerfile",
    ]);
    expect([inside.code, inside.out]).toEqual([126, ""]);
    expect(inside.err).toContain("lies in the project");
    Bun.spawnSync(["docker", "image", "rm", tag]);
    rmSync(join(work, "Dockerfile"));
  }, 120_000);

  test("a runner whose sandboxes are for always starts each session in one, whoever asks", async () => {
    const { api, passed, port } = settle(server, work);
    const runner = await startRunner(server, [work], {
      ...ENGINE,
      ...passed,
      CLAUDE_REMOTE_SANDBOX: "always",
      CLAUDE_REMOTE_SANDBOX_PASS: Object.keys(passed).join(" "),
      CLAUDE_REMOTE_SANDBOX_HOSTS: `localhost:${port}`,
    });
    expect((await runners(server))[0]?.sandbox_always).toBe(true);
    const id = await startSession(server, { cwd: work, args: ["--permission-mode", "manual"] });
    const session = () =>
      server.phone.sessions().then((all) => all.find((other) => other.id === id));
    await until("claude is there", async () => (await session())?.activity === "idle", 30_000);
    expect(await session()).toMatchObject({ sandbox: true });
    const name = onRecord()[0] ?? "";
    expect(await containers()).toContain(name);
    expect(await runner.end()).toBe(0);
    await gone(name);
    api.stop();
  }, 90_000);

  test("Ctrl-Z while the program is about to start keeps it from nothing", async () => {
    for (let times = 0; times < 4; times++) {
      const tty = wrap("bash", ["-c", "echo here.; read x; exit 3"]);
      // before that docker's own command would be stopped, and with it the wrapper, as at any shell
      const running = () =>
        `${Bun.spawnSync(["docker", "ps", "--format", "{{.Names}}"]).stdout}`.split("\n");
      await until("it runs", () => running().includes(onRecord()[0] ?? "-"), 20_000);
      for (let presses = 0; presses < 60 && !tty.text().includes("here."); presses++) {
        tty.type("\x1a");
        await Bun.sleep(10);
      }
      await tty.sees("here.", 30_000);
      tty.type("\r");
      expect((await tty.exited).code).toBe(3);
    }
  }, 180_000);

  test("on a terminal a word says at once that it starts, and goes again", async () => {
    const tty = wrap("bash", ["-c", "echo here.; read x"]);
    await tty.sees("claude-remote: starting the sandbox …");
    await tty.sees("here.");
    expect(tty.text().trim()).toBe("here.");
    tty.type("\r");
    await tty.exited;
  }, 60_000);

  test("a token that is let in is a login: a project that is new to it asks for none", async () => {
    const api = startMockApi();
    const passed = {
      CLAUDE_CODE_OAUTH_TOKEN: "sk-ant-oat01-dummy",
      ANTHROPIC_BASE_URL: `http://localhost:${new URL(api.url).port}`,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    };
    const flags = ["--sandbox-host", new URL(passed.ANTHROPIC_BASE_URL).host];
    for (const name of Object.keys(passed)) flags.push("--sandbox-pass", name);
    const tty = openTty([...SELF, "run", "--sandbox", ...flags], {
      env: { ...server.home.env, ...ENGINE, ...passed },
      cwd: work,
      cols: 100,
      rows: 30,
    });
    await tty.sees("Is this a project you created", 60_000); // the first thing that it asks
    // Claude swallows keys just after the dialog is drawn
    const presses = (key: string, shown: string) =>
      until(
        `${shown} is there`,
        async () => {
          if (tty.text().includes(shown)) return true;
          tty.type(key);
          await Bun.sleep(500);
          return tty.text().includes(shown);
        },
        40_000,
      );
    await presses("\x1b[B", "❯ Yes, I trust this folder");
    await presses("\r", "auto mode on");
    await until(
      "it answers",
      async () => {
        tty.type("hello");
        await Bun.sleep(500); // what comes at once with Enter is a paste
        tty.type("\r");
        await Bun.sleep(1000);
        return tty.text().includes("You said:");
      },
      40_000,
    );
    tty.pty.kill("SIGTERM");
    await tty.exited;
    api.stop();
  }, 180_000);

  test("what the configuration lets in is let in", async () => {
    const env = { CLAUDE_REMOTE_SANDBOX_PASS: "ONE, TWO", ONE: "1", TWO: "2", THREE: "3" };
    expect((await runInside(server.home, work, "echo $ONE$TWO$THREE", [], env)).out).toBe("12\n");
  }, 60_000);
});
