import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sha256hex } from "../src/auth.ts";
import { databaseFile } from "../src/db.ts";
import { type Prompt, SessionDetail } from "../src/types.ts";
import { openAttached } from "./support/attached.ts";
import { makePrompt, screen } from "./support/dashboard.ts";
import { emptyHome, SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { type Phone, pairDevice } from "./support/phone.ts";
import { hello, openSocket, sessionInfo } from "./support/runner-socket.ts";
import { openTty, type Tty } from "./support/tty.ts";
import { until } from "./support/until.ts";

let server: HomeServer;
let machine: Phone;
beforeAll(async () => {
  server = await startHomeServer();
  machine = await pairDevice(
    `${server.origin}/${new URL(await server.machine.mint("machine")).hash}`,
    "machine",
    "played",
  );
}, 60_000);
afterAll(() => server.stop());

/** A shell that runs at a desk, wrapped. */
async function openShell(
  size: { cols?: number; rows?: number } = {},
): Promise<Tty & { id: string; quit(): Promise<void> }> {
  const known = new Set((await server.phone.sessions()).map(({ id }) => id));
  const tty = openTty([...SELF, "run", "--command", "bash", "--", "--norc"], {
    env: { ...server.home.env, PS1: "b> " },
    cwd: join(server.home.dir, "work"),
    ...size,
  });
  await tty.sees("b>");
  const session = await until("it is known", async () =>
    (await server.phone.sessions()).find(
      ({ id, status }) => !known.has(id) && status === "running",
    ),
  );
  return {
    ...tty,
    id: session.id,
    async quit() {
      tty.pty.kill("SIGKILL");
      await tty.exited;
    },
  };
}

/** A session whose runner the test plays. */
async function playRunner(id: string, info: object = {}, prompts: Prompt[] = []) {
  const socket = await openSocket(server.origin, machine);
  socket.send(hello);
  socket.send({
    type: "session",
    session: { ...sessionInfo(id), cwd: `/home/me/${id}`, ...info },
    first: 1,
    prompts,
  });
  await socket.next("resume");
  socket.send(screen(id, 1, [`this is ${id}`]));
  socket.beat();
  /** What is typed next; it is taken. */
  const typed = async () => {
    const input = await socket.next("input");
    socket.send({ type: "typed", input: input.input, result: "applied", seq: input.seq });
    return input;
  };
  const exit = (how: object) =>
    socket.send({ type: "exit", session: id, exit: how, ended_at: Date.now() });
  return { ...socket, typed, exit };
}

describe("a session at a desk", () => {
  test("is shown as it is there, takes what is typed, and goes on when one leaves", async () => {
    const shell = await openShell();
    const attached = openAttached(server, [shell.id], { cols: 90, rows: 30 });
    await attached.sees("b>");
    attached.type("echo typed from $((40 + 2)) ünï 漢字\r");
    await shell.sees("typed from 42 ünï 漢字");
    await attached.shows(shell);
    shell.type(
      "printf '\\033[1;31mred\\033[0m \\033[44mblue\\033[0m\\n'; seq 30; printf '\\033[?1049h\\033[2J\\033[5;10Hthe \\033[7mwhole\\033[0m screen\\033[8;3H'; read -n 1; printf '\\033[?1049l'\r",
    );
    await shell.sees("the whole screen");
    await attached.shows(shell);
    await until(
      "the cursor is where it is there",
      () => attached.screen.cursor().x === 2 && attached.screen.cursor().y === 7,
    );
    expect(attached.bottom()).toContain("work on ");
    expect(attached.bottom()).toContain("live");
    attached.type("x");
    await shell.sees("30\nb>");
    await attached.shows(shell);
    attached.chord("d");
    expect(await attached.exited).toEqual({ code: 0 });
    expect(attached.text()).toContain("detached from work on ");
    shell.type("echo it goes on\r");
    await shell.sees("it goes on\n");
    await shell.quit();
  }, 60_000);

  test("keeps its size: a smaller terminal shows the part around the cursor, and another where one looks", async () => {
    const shell = await openShell({ cols: 100, rows: 40 });
    shell.type("clear; seq 60; stty size\r");
    await shell.sees("40 100");
    const attached = openAttached(server, [shell.id], { cols: 60, rows: 12 });
    await attached.sees("40 100");
    await until("the prompt is there", () => attached.shown().at(-1) === "b>");
    await until("the part is named", () => attached.bottom().includes("part of 100×40"));
    attached.chord("\x1b[A");
    await attached.sees(/\n48\n49\n/);
    attached.type(`${"x".repeat(70)}`);
    await attached.sees("xxxxxxxxxx\n"); // the end of the line, where the cursor is
    await shell.sees(`b> ${"x".repeat(70)}`);
    attached.type("\x15exit 3\r");
    expect((await attached.exited).code).toBe(0);
    expect(attached.text()).toContain("is over: exit code 3");
    await shell.exited;
  }, 60_000);

  test("takes this terminal's size where that is asked for, follows it, and has its own back from whoever types there, or afterwards", async () => {
    const shell = await openShell();
    const attached = openAttached(server, [shell.id], { cols: 60, rows: 20 });
    await attached.sees("b>");
    const size = async (expected: string) => {
      attached.type(`echo $(stty size)${expected.replace(" ", "-")}\r`);
      const told = `${expected}${expected.replace(" ", "-")}`;
      await until(
        `it is ${expected}`,
        () => shell.text().includes(told) && attached.text().includes(told),
      );
    };
    await size("24 80");
    attached.chord("f");
    await until("it is fitted", () => attached.bottom().includes("fitted"));
    await size("19 60");
    attached.resize(70, 18);
    await until("it followed", () => attached.bottom().includes("fitted"));
    await size("17 70");
    attached.chord("f");
    await until("it is given back", () => !attached.bottom().includes("fitted"));
    await size("24 80");
    attached.chord("f");
    await until("it is fitted again", () => attached.bottom().includes("fitted"));
    shell.type("\r");
    await until("the desk has it back", () => !attached.bottom().includes("fitted"));
    await size("24 80");
    attached.chord("f");
    await until("it is fitted once more", () => attached.bottom().includes("fitted"));
    attached.chord("d");
    await attached.exited;
    await until(
      "the desk has it back",
      async () =>
        (await server.phone.get(SessionDetail, "GET", `/api/sessions/${shell.id}`)).screen?.cols ===
        80,
    );
    await shell.quit();
  }, 60_000);

  test("gets every key as the terminal sent it, in order and once, and nothing that the terminal says by itself", async () => {
    const file = join(server.home.dir, "keys");
    const shell = await openShell();
    shell.type(`stty raw -echo; printf '\\033[?2004hready'; exec cat > ${file}\r`);
    await shell.sees("ready");
    const attached = openAttached(server, [shell.id]);
    await attached.sees("ready");
    const sent = [
      "plain text !bang ünï 漢字 👨‍👩‍👧 e\u0301",
      "\r\t\x7f\x1b[Z\x00\x01\x03\x04\x0a\x1a\x1c\x1f",
      "\x1b[A\x1b[B\x1b[C\x1b[D\x1b[H\x1b[F\x1b[1;5D\x1b[1;2A\x1b[1;7C",
      "\x1b[2~\x1b[3~\x1b[5~\x1b[6~\x1b[3;5~",
      "\x1bOP\x1bOQ\x1bOR\x1bOS\x1b[15~\x1b[17~\x1b[18~\x1b[19~\x1b[20~\x1b[21~\x1b[23~\x1b[24~\x1b[24;2~",
      "\x1bx\x1b.\x1bö\x1b\r\x1b\x7f\x1b\x18",
      "\x1b[200~pasted \r second\tline \x1b[201~",
      "!ls\r",
    ];
    const reports = [
      "\x1b[?62;c",
      "\x1b[24;80R",
      "\x1b]11;rgb:0/0/0\x1b\\",
      "\x1b[I",
      "\x1b[O",
      "\x1b[<0;1;1M\x1b[<64;1;1M",
      "\x1b[?1u",
    ];
    for (const [i, part] of sent.entries()) attached.type(part + (reports[i] ?? ""));
    attached.type("\x1d\x1d"); // Ctrl-] itself
    attached.type("\x1b");
    await until(
      "all is there",
      () => existsSync(file) && readFileSync(file, "utf8").endsWith("\x1d\x1b"),
    );
    expect(readFileSync(file, "utf8")).toBe(`${sent.join("")}\x1d\x1b`);
    const before = readFileSync(file, "utf8").length;
    const long = Array.from({ length: 4000 }, (_, i) => `line ${i}`).join("\r");
    attached.type(`\x1b[200~${long}\x1b[201~`);
    attached.type("end");
    await until("the paste is there", () => readFileSync(file, "utf8").endsWith("end"), 20_000);
    // one paste for the program, though it travelled in parts
    expect(readFileSync(file, "utf8").slice(before)).toBe(`\x1b[200~${long}\x1b[201~end`);
    await shell.quit();
  }, 60_000);

  test("is right again after the server was restarted, and what was typed meanwhile arrives once", async () => {
    const shell = await openShell();
    const attached = openAttached(server, [shell.id], { cols: 80, rows: 25 });
    await attached.sees("b>", 20_000);
    await server.restart("SIGKILL", async () => {
      shell.type("echo while it was away\r");
      await shell.sees("\nwhile it was away", 20_000);
      await until("it is said", () => attached.bottom().includes("stale since"), 40_000); // at once, or where no end of the connection came, after a while of silence
      attached.type("echo typed meanwhile\r");
    });
    await attached.sees("\nwhile it was away", 20_000);
    await shell.sees("\ntyped meanwhile", 20_000);
    await attached.shows(shell);
    await until("it is live", () => attached.bottom().includes("live"), 20_000);
    expect(shell.text().match(/^typed meanwhile/gm)).toHaveLength(1);
    await shell.quit();
  }, 120_000);
});

describe("the terminal", () => {
  test.each<[string, (attached: Tty, pid: number) => void, boolean]>([
    ["detaching", (tty) => tty.type("\x1dd"), true],
    ["SIGTERM", (_tty, pid) => process.kill(pid, "SIGTERM"), true],
    ["SIGHUP", (_tty, pid) => process.kill(pid, "SIGHUP"), true],
    ["being killed", (_tty, pid) => process.kill(pid, "SIGKILL"), false],
  ])(
    "is as it was after %s",
    async (name, act, ours) => {
      const id = `full-${name.replace(" ", "-")}`;
      const runner = await playRunner(id);
      runner.send(screen(id, 2, ["a full one", "\u0007"], { full: true, title: "a title" }));
      const tty = openTty(["bash", "--norc"], {
        env: { ...server.home.env, PS1: "b> " },
        cwd: server.home.dir,
      });
      await tty.sees("b>");
      tty.type("echo before; stty -g > stty-1\r");
      await tty.sees("\nbefore");
      tty.type(`${SELF.join(" ")} attach ${id}\r`);
      await tty.sees("a full one");
      const pid = await until("its process", () =>
        Number(
          Bun.spawnSync(["pgrep", "-f", `attach ${id}$`])
            .stdout.toString()
            .trim()
            .split("\n")
            .at(-1),
        ),
      );
      act(tty, pid);
      if (ours) await tty.sees(/claude-remote: (?:detached|ended)/);
      await until("the screen is given back", () =>
        Buffer.from(tty.bytes()).toString().includes("\x1b[?1049l"),
      );
      tty.type("stty -g > stty-2; echo after\r");
      await tty.sees("\nafter");
      expect(tty.text()).toContain("\nbefore"); // the screen from before
      expect(readFileSync(join(server.home.dir, "stty-2"), "utf8")).toBe(
        readFileSync(join(server.home.dir, "stty-1"), "utf8"),
      );
      const bytes = Buffer.from(tty.bytes()).toString();
      for (const mode of ["?1049", "?2004", "?1000", "?1006"])
        expect(bytes.lastIndexOf(`\x1b[${mode}l`)).toBeGreaterThan(
          bytes.lastIndexOf(`\x1b[${mode}h\x1b[22`),
        );
      expect(tty.screen.modes()).toMatchObject({ wheel: "none" });
      expect(tty.screen.cursor().visible).toBe(true);
      tty.pty.kill("SIGKILL");
      await tty.exited;
      runner.exit({ code: 0 });
      await runner.next("ended");
      runner.close();
    },
    40_000,
  );

  test("is asked for its colours where they matter, and its answer is nobody's typing", async () => {
    const runner = await playRunner("light");
    const attached = openAttached(server, ["light"]);
    await attached.sees("this is light");
    const written = () => Buffer.from(attached.bytes()).toString();
    expect(written()).not.toContain("\x1b]11;?");
    runner.send(
      screen("light", 2, ["let x\n3f#0000a0 2", "plain"], { ground: "#ffffff", ink: "#111111" }),
    );
    await until("it is asked", () => written().includes("\x1b]11;?\x1b\\"));
    attached.type("\x1b]10;rgb:ffff/ffff/ffff\x1b\\\x1b]11;rgb:1e1e/");
    attached.type("1e1e/1e1e\x1b\\");
    await until("it is drawn on its own ground", () =>
      written().includes("\x1b[38;2;17;17;17;48;2;255;255;255mplain"),
    );
    attached.type("q");
    expect((await runner.typed()).text).toBe("q"); // and nothing before it
    attached.chord("d");
    await attached.exited;
    runner.close();
  }, 40_000);

  test("gets no control characters from a session, whatever its rows and its title hold", async () => {
    const runner = await playRunner("hostile", { cwd: "/x/hos\u001b]0;tile", host: "b\u009dox" });
    const evil = "\x1b]52;c;AAAA\x07\x1b[2J\x9b5n\x9d0;x\x9c\r\b\0\x7f\u202eabc";
    runner.send(
      screen("hostile", 2, [evil, `${evil}\n3bf1 4v`, "漢\n1wf\x1b[31m", "the last"], {
        title: `t\x07${evil}`,
      }),
    );
    const attached = openAttached(server, ["hostile"]);
    await attached.sees("the last");
    runner.send({
      type: "prompt",
      prompt: makePrompt("hostile", "p_evil", {
        tool: `T${evil}`,
        input: { [evil]: evil },
        cwd: evil,
        host: evil,
        note: evil,
      }),
    });
    await attached.sees("U+202E"); // the status line alone has none
    expect(attached.text()).toContain("U+001B");
    attached.type("\x1b");
    await attached.sees("the last");
    attached.chord("d");
    await attached.exited;
    const written = Buffer.from(attached.bytes()).toString();
    const ours =
      /\p{Cc}\[(?:[\d;]*[mGHKJ]|\?(?:1049|2004|2026|25|7|1000|1006)[hl]|2[23];0t)|\p{Cc}\]2;[^\p{Cc}]*\p{Cc}\\/gu;
    expect(written.replace(ours, "").replaceAll("\r\n", "")).not.toMatch(/[\p{Cc}\u202e]/u);
    runner.exit({ code: 0 });
    await runner.next("ended");
    runner.close();
  }, 30_000);

  test("turns the wheel of a program that has the whole screen, and keeps its own mouse otherwise", async () => {
    const runner = await playRunner("wheel");
    const attached = openAttached(server, ["wheel"]);
    await attached.sees("this is wheel");
    expect(attached.screen.modes().wheel).toBe("keys"); // of the alternate screen: no mouse is asked for
    runner.send(screen("wheel", 2, ["now full"], { full: true }));
    await until("the wheel is asked for", () => attached.screen.modes().wheel === "sgr");
    attached.type("\x1b[<64;3;3M\x1b[<64;3;3M\x1b[<0;3;3M\x1b[<65;3;3M");
    const turns: string[] = [];
    while (turns.length < 3) turns.push(...((await runner.typed()).keys ?? []));
    expect(turns).toEqual(["WheelUp", "WheelUp", "WheelDown"]);
    runner.send(screen("wheel", 3, ["no more"], {}));
    await until("it is its own again", () => attached.screen.modes().wheel !== "sgr");
    runner.exit({ code: 3 });
    expect(await attached.exited).toEqual({ code: 0 });
    expect(attached.text()).toContain("wheel on box is over: exit code 3");
    runner.close();
  }, 30_000);

  test("gives a session without one of its own its size, and follows", async () => {
    const runner = await playRunner("alone", { desk: false });
    const attached = openAttached(server, ["alone"], { cols: 70, rows: 20 });
    expect(await runner.next("resize")).toMatchObject({ cols: 70, rows: 19 });
    attached.resize(50, 15);
    expect(await runner.next("resize")).toMatchObject({ cols: 50, rows: 14 });
    attached.chord("d");
    await attached.exited;
    runner.exit({ code: 0 });
    await runner.next("ended");
    runner.close();
  }, 30_000);
});

test("a session that nobody sits at follows this terminal, whoever started it", async () => {
  const known = new Set((await server.phone.sessions()).map(({ id }) => id));
  const demo = Bun.spawn([...SELF, "demo"], {
    env: server.home.env,
    cwd: server.home.dir,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  const session = await until("it runs", async () =>
    (await server.phone.sessions()).find(
      ({ id, status }) => !known.has(id) && status === "running",
    ),
  );
  expect(session.desk).toBe(false);
  const attached = openAttached(server, [session.id], { cols: 66, rows: 22 });
  const size = async () =>
    (await server.phone.get(SessionDetail, "GET", `/api/sessions/${session.id}`)).screen;
  await until(
    "it has this size",
    async () => (await size())?.cols === 66 && (await size())?.rows === 21,
  );
  attached.resize(90, 30);
  await until("it follows", async () => (await size())?.cols === 90 && (await size())?.rows === 29);
  demo.kill("SIGTERM");
  await attached.exited;
  expect(attached.text()).toContain("is over: ");
  await demo.exited;
}, 30_000);

describe("a question", () => {
  test("lies over the screen, whole, and takes no answer before its end was seen and nobody typed on", async () => {
    const runner = await playRunner("asks");
    const attached = openAttached(server, ["asks"]);
    await attached.sees("this is asks");
    const command = `${Array.from({ length: 60 }, (_, i) => `echo ${i}`).join("\n")}\nrm -rf\u200b /`;
    const prompt = makePrompt("asks", "p_long", { input: { command } });
    runner.send({ type: "prompt", prompt });
    await attached.sees("Run a command?");
    expect(attached.text()).not.toContain("rm -rf");
    for (let i = 0; i < 6; i++) {
      attached.type("y"); // whoever goes on typing has not read it
      await Bun.sleep(100);
    }
    await until("it is told to read on", async () => {
      await Bun.sleep(600); // nobody types meanwhile
      attached.type("y");
      await Bun.sleep(300);
      return attached.text().includes("read it to its end first");
    });
    for (let i = 0; i < 5; i++) attached.type("\x1b[6~");
    await attached.sees("rm -rfU+200B /");
    attached.type("y");
    const decide = await runner.next("decide");
    expect(decide).toMatchObject({
      prompt: "p_long",
      action: "approve",
      shown: sha256hex(prompt.view),
    });
    runner.send({ type: "decided", decision: decide.decision, result: "sent" });
    const answer = {
      by: "viewer",
      device: decide.device,
      name: decide.name,
      decision: "approve",
      at: Date.now(),
    };
    runner.send({
      type: "prompt",
      prompt: { ...prompt, state: "answered", answer: { ...answer, receipt: "sent" } },
    });
    await until("it says so", () => attached.bottom().includes("Approved: sent…"));
    runner.send({
      type: "prompt",
      prompt: { ...prompt, state: "answered", answer: { ...answer, receipt: "applied" } },
    });
    await until("it says more", () => attached.bottom().includes("Approved: applied."));
    await attached.sees("this is asks");

    // put away, it comes back with the next key that is refused; answered elsewhere, it goes
    const other = makePrompt("asks", "p_other", { input: { command: "make" } });
    runner.send({ type: "prompt", prompt: other });
    await attached.sees("Run a command?");
    attached.type("\x1b");
    await attached.sees("this is asks");
    await until("it is told", () => attached.bottom().includes("a question waits"));
    attached.type("q");
    const input = await runner.next("input");
    runner.send({ type: "typed", input: input.input, result: "asked", seq: input.seq - 1 });
    await attached.sees("Run a command?");
    runner.send({
      type: "prompt",
      prompt: {
        ...other,
        state: "answered",
        answer: { by: "desk", decision: "reject", at: Date.now() },
      },
    });
    await until("it says by whom", () => attached.bottom().includes("Rejected at the desk."));
    await attached.sees("this is asks");
    attached.type("on");
    expect(await runner.typed()).toMatchObject({ text: "on" });
    attached.chord("d");
    await attached.exited;
    runner.exit({ code: 0 });
    await runner.next("ended");
    runner.close();
  }, 40_000);

  test("that asks something else meanwhile is shown anew, and takes no answer for what it was", async () => {
    const asking = (command: string) => makePrompt("changes", "p_change", { input: { command } });
    const first = asking("echo harmless");
    const second = {
      ...asking(["echo more", ...Array<string>(60).fill("true"), "rm -rf /"].join("\n")),
      created_at: first.created_at,
    };
    const before = await playRunner("changes", {}, [first]);
    const attached = openAttached(server, ["changes"]);
    await attached.sees("echo harmless");
    await server.restart("SIGTERM", async () => {
      const db = new Database(databaseFile(join(server.home.dir, "data")));
      db.run("UPDATE prompts SET view = ? WHERE id = ?", [second.view, second.id]);
      db.close();
    });
    before.close();
    const runner = await playRunner("changes", {}, [second]);
    await attached.sees("echo more", 20_000);
    await until("it is told to read on", async () => {
      await Bun.sleep(600); // nobody types meanwhile
      attached.type("y");
      await Bun.sleep(300);
      return attached.text().includes("read it to its end first");
    });
    attached.type("\x1b[F"); // End
    await attached.sees("rm -rf /");
    await Bun.sleep(600);
    attached.type("y");
    expect((await runner.next("decide")).shown).toBe(sha256hex(second.view));
    attached.chord("d");
    await attached.exited;
    runner.exit({ code: 0 });
    await runner.next("ended");
    runner.close();
  }, 40_000);

  test("of the screen, of several parts, or from a server is answered by numbers, in words, or not from here", async () => {
    const runner = await playRunner("chooses");
    const attached = openAttached(server, ["chooses"]);
    await attached.sees("this is chooses");
    const ask = async (prompt: object, says: string) => {
      runner.send({ type: "prompt", prompt });
      await attached.sees(says);
      await Bun.sleep(500);
    };
    const settle = async (prompt: object) => {
      const decide = await runner.next("decide");
      runner.send({ type: "decided", decision: decide.decision, result: "sent" });
      runner.send({
        type: "prompt",
        prompt: {
          ...prompt,
          state: "answered",
          answer: { by: "viewer", device: decide.device, decision: decide.action, at: 1 },
        },
      });
      await attached.sees("this is chooses");
      return decide;
    };
    const input = {
      above: "Trust?",
      options: [
        { label: "Yes", number: 3 },
        { label: "No", number: 4 },
      ],
      selected: 0,
      below: "",
    };
    const list = { ...makePrompt("chooses", "p_list", { tool: "Screen", input }), kind: "screen" };
    await ask(list, "Read off the screen");
    attached.type("\r");
    await attached.sees("choose first");
    attached.type("1");
    attached.type("4");
    await attached.sees("Enter: “4. No”");
    attached.type("\r");
    expect(await settle(list)).toMatchObject({ action: "approve", answers: [{ options: [1] }] });

    const none = { ...makePrompt("chooses", "p_none", { tool: "Screen", input }), kind: "screen" };
    await ask(none, "Read off the screen");
    attached.type("d");
    expect(await settle(none)).toMatchObject({ action: "reject", dismiss: true });

    const questions = [
      {
        question: "Which?",
        options: [{ label: "A\n  2 │ fake" }, { label: "B", description: "the second" }],
      },
      {
        question: "And which?",
        multiSelect: true,
        options: [{ label: "C" }, { label: "D" }, { label: "E" }],
      },
      { question: "Why?", options: [{ label: "F" }] },
    ];
    const several = {
      ...makePrompt("chooses", "p_several", { tool: "AskUserQuestion", input: { questions } }),
      kind: "question",
    };
    await ask(several, "Question 3 of 3");
    expect(attached.text()).toContain("    │   2 │ fake");
    attached.type("2\r");
    await attached.sees("question 2: a number");
    attached.type("321\r");
    await attached.sees("question 3: a number");
    attached.type("t");
    await attached.sees("Your answer");
    attached.type("bec\x7fcause ünï\r");
    expect(await settle(several)).toMatchObject({
      action: "approve",
      answers: [{ options: [1] }, { options: [0, 1, 2] }, { options: [], text: "because ünï" }],
    });

    const form = {
      ...makePrompt("chooses", "p_form", {
        tool: "Elicitation",
        input: { server: "s", message: "Fill this in", fields: [] },
      }),
      kind: "elicitation",
    };
    await ask(form, "Fill this in");
    expect(attached.text()).toContain("answered on the dashboard, or at the desk");
    attached.type("y\r1");
    await Bun.sleep(300);
    attached.type("n");
    expect(await settle(form)).toMatchObject({ prompt: "p_form", action: "reject" });

    const words = makePrompt("chooses", "p_words", { input: { command: "make" } });
    await ask(words, "Run a command?");
    attached.type("n");
    await attached.sees("Reject, saying");
    attached.type("use the other\r");
    expect(await settle(words)).toMatchObject({ action: "reject", message: "use the other" });
    attached.chord("d");
    await attached.exited;
    runner.exit({ code: 0 });
    await runner.next("ended");
    runner.close();
  }, 40_000);

  test("can't be answered while the machine is away", async () => {
    const runner = await playRunner("goes");
    const attached = openAttached(server, ["goes"]);
    await attached.sees("this is goes");
    runner.send({
      type: "prompt",
      prompt: makePrompt("goes", "p_goes", { input: { command: "make" } }),
    });
    await attached.sees("Run a command?");
    runner.close();
    await until("it says so", () => attached.bottom().includes("offline since"));
    await Bun.sleep(500);
    attached.type("y");
    await attached.sees("not while the session is away");
    attached.chord("d");
    await attached.exited;
  }, 30_000);
});

describe("the command", () => {
  const cli = async (args: string[], env = server.home.env) => {
    const child = Bun.spawn([...SELF, "attach", ...args], {
      env,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [code, out, err] = await Promise.all([
      child.exited,
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { code, out, err };
  };
  const atTerminal = async (args: string[], env = server.home.env) => {
    const tty = openTty([...SELF, "attach", ...args], { env, cols: 200 });
    return { ...(await tty.exited), text: tty.text() };
  };

  test("lists that nothing runs, and otherwise a session a row, however long its command", async () => {
    const quiet = await startHomeServer();
    expect(await cli(["--list"], quiet.home.env)).toEqual({
      code: 0,
      out: "",
      err: "claude-remote: No session is running.\n",
    });
    await quiet.stop();
    const runner = await playRunner("long", { command: `claude ${"日本 word ".repeat(30)}` });
    for (const cols of [80, 60]) {
      const list = openTty([...SELF, "attach", "--list"], { env: server.home.env, cols });
      await list.exited;
      const rows = list.screen.text().map((row) => row.trim());
      expect(rows).toContainEqual(expect.stringMatching(/^long .*claude .*… +\(live\)$/));
      for (const row of rows.filter((row) => row !== "")) expect(row).toEndWith(")");
    }
    runner.close();
  }, 20_000);

  test("lists what runs, lets one choose, and takes an id, the beginning of it, or a folder", async () => {
    const runners = [await playRunner("one-alpha"), await playRunner("one-beta")];
    const list = await cli(["--list"]);
    expect(list).toMatchObject({ code: 0, err: "" });
    expect(list.out).toMatch(/^one-alpha {2}box {2}\/home\/me\/one-alpha {2}claude {2}\(live\)$/m);
    for (const [wanted, shows] of [
      ["one-alpha", "one-alpha"],
      ["one-b", "one-beta"],
      ["eta", "one-beta"],
    ] as const) {
      const attached = openAttached(server, [wanted]);
      await attached.sees(`this is ${shows}`);
      attached.chord("d");
      await attached.exited;
    }
    const several = await atTerminal(["one-"]);
    expect(several).toMatchObject({
      code: 1,
      text: expect.stringContaining("could be any of these"),
    });
    const unknown = await atTerminal(["nothing-like-it"]);
    expect(unknown.code).toBe(1);
    expect(unknown.text).toMatch(/claude-remote run -- attach\snothing-like-it/);

    const choosing = openTty([...SELF, "attach"], { env: server.home.env, cols: 120 });
    await choosing.sees("Which one?");
    const row = choosing.screen.text().find((line) => line.includes("one-beta"));
    choosing.type(`${row?.trim().split(" ")[0]}\r`);
    await choosing.sees("this is one-beta");
    choosing.type("\x1dd");
    expect(await choosing.exited).toEqual({ code: 0 });
    for (const runner of runners) runner.close();
  }, 40_000);

  test("says what is missing: a terminal, a pairing, a server, the right to look on", async () => {
    expect(await cli(["x"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("needs a terminal"),
    });
    expect(await cli(["x", "y"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("one session"),
    });
    const home = emptyHome();
    expect(await atTerminal([], home.env)).toMatchObject({
      code: 1,
      text: expect.stringContaining("not paired yet"),
    });
    const link = `${server.origin}/${new URL(await server.phone.mint("runner")).hash}`;
    expect(
      await Bun.spawn([...SELF, "pair", "--kind", "runner", link], {
        env: home.env,
        stderr: "ignore",
      }).exited,
    ).toBe(0);
    expect(await atTerminal([], home.env)).toMatchObject({
      code: 1,
      text: expect.stringContaining("paired as a runner"),
    });
    const file = join(home.dir, ".config/claude-remote/pairing.json");
    await Bun.write(
      file,
      JSON.stringify({ ...(await Bun.file(file).json()), server: "http://127.0.0.1:9" }),
    );
    expect(await atTerminal([], home.env)).toMatchObject({
      code: 1,
      text: expect.stringContaining("can't be reached"),
    });
    home.remove();
  }, 40_000);
});
