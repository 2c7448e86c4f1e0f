import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { rowText } from "../src/row.ts";
import { SessionDetail } from "../src/types.ts";
import { emptyHome, SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { openTty, type Tty } from "./support/tty.ts";
import { until } from "./support/until.ts";

let server: HomeServer;
const ttys: Tty[] = [];
beforeAll(async () => {
  server = await startHomeServer();
}, 30_000);
afterAll(async () => {
  for (const tty of ttys) tty.pty.kill("SIGKILL");
  await server.stop();
});

const quoted = (argv: readonly string[]) =>
  argv.map((arg) => `'${arg.replaceAll("'", "'\\''")}'`).join(" ");
const wrapped = (script: string) => [...SELF, "run", "--command", "sh", "--", "-c", script];

/** A shell at the desk runs `argv`; then it reads a line. */
function shellAround(argv: readonly string[], env = server.home.env): Tty {
  const script = `${quoted(argv)}; stty -a | grep -o -- '-*icanon'; read -r line; echo "shell got <$line>"`;
  const tty = openTty(["sh", "-c", script], { env, cwd: env.HOME ?? "/" });
  ttys.push(tty);
  return tty;
}
const sessionOf = (mark: string) =>
  until("the session is known", async () =>
    (await server.phone.sessions()).find(
      ({ command, status }) => command.includes(mark) && status === "running",
    ),
  );

describe("a program that is killed while it has the whole terminal", () => {
  const takesAll =
    "printf '\\033[?1049h\\033[?1000h\\033[?1003h\\033[?1006h\\033[?1004h\\033[?2004h\\033[?25l\\033[?1h\\033=\\033[2;5r\\033[31mdrawn'";
  /** A mouse that moves for as long as the terminal reports it. */
  const moveMouse = (tty: Tty) => {
    const timer = setInterval(() => {
      if (tty.screen.modes().wheel === "sgr") tty.type("\x1b[<35;20;10M");
    }, 5);
    return () => clearInterval(timer);
  };
  const expectClean = async (tty: Tty) => {
    await tty.sees(/(^|\s)icanon/); // the shell goes on, on its own screen
    const { about, modes } = { about: tty.screen.whole(), modes: tty.screen.modes() };
    expect(about.full).toBeUndefined();
    expect(about.cursor.visible).toBe(true);
    expect(modes).toMatchObject({
      applicationCursor: false,
      bracketedPaste: false,
      wheel: "none",
    });
    expect(tty.text()).not.toContain("drawn");
    tty.type("typed\r");
    await tty.sees("shell got <typed>");
    const row = Object.values(tty.screen.whole().lines).find((line) => line.includes("shell got"));
    expect(row).toBe("shell got <typed>"); // in no colour of the program's
  };

  test.each(["SIGKILL", "SIGTERM"] as const)(
    "leaves no mode on after %s from the phone",
    async (signal) => {
      const tty = shellAround(wrapped(`echo before; ${takesAll}; exec sleep 9${signal.length}`));
      await tty.sees("drawn");
      const { id } = await sessionOf("033[?1003h");
      const rest = moveMouse(tty);
      const { status } = await server.phone.request("POST", `/api/sessions/${id}/stop`, { signal });
      expect(status).toBe(200);
      await expectClean(tty);
      rest();
      expect(tty.text()).toContain("before");
    },
    30_000,
  );

  test.each(["SEGV", "ABRT", "KILL"])(
    "leaves no mode on after SIG%s, also where no server is",
    async (signal) => {
      const home = emptyHome();
      const tty = shellAround(wrapped(`${takesAll}; sleep 1; kill -${signal} $$`), home.env);
      await tty.sees("drawn");
      const rest = moveMouse(tty);
      await expectClean(tty);
      rest();
      home.remove();
    },
    30_000,
  );

  test("is given nothing that it did not need", async () => {
    const script = "echo plain; kill -KILL $$";
    const bare = openTty(["sh", "-c", script], { silent: true });
    const through = openTty(wrapped(script), {
      env: server.home.env,
      cwd: server.home.dir,
      silent: true,
    });
    await bare.exited;
    expect((await through.exited).code).toBe(137);
    expect(Buffer.from(through.bytes()).toString()).toBe(Buffer.from(bare.bytes()).toString());
  }, 30_000);

  test("and one that ends by itself leaves the terminal as it wanted it", async () => {
    const script = "printf '\\033[?2004h\\033[?25lleft on'; exit 3";
    const through = openTty(wrapped(script), {
      env: server.home.env,
      cwd: server.home.dir,
      silent: true,
    });
    expect(await through.exited).toEqual({ code: 3 });
    expect(Buffer.from(through.bytes()).toString()).toBe("\x1b[?2004h\x1b[?25lleft on");
  }, 30_000);
});

describe("a terminal at the desk that takes nothing, as of a laptop that sleeps", () => {
  const row = (i: number) => `${i} ${"much ".repeat(12)}`;
  /** Prints far more than all buffers between hold, then draws on the whole screen, and does what it is told. */
  const script = `stty -echo; printf 'ready|'; read -r go; i=0; while [ $i -lt 20000 ]; do echo "$i much much much much much much much much much much much much "; i=$((i+1)); done
printf '\\033[?1049h\\033[?1002h\\033[?1006h\\033[?2004h\\033[?25l\\033[2J\\033[3;5Hdrawn \\033[32mgreen'; while read -r line; do printf '\\033[5;1Hheard %s' "$line"; done`;
  const phoneSees = (id: string, what: string) =>
    until(
      `the phone sees ${what}`,
      async () => {
        const detail = await server.phone.get(SessionDetail, "GET", `/api/sessions/${id}`);
        const lines = Object.values(detail.screen?.lines ?? {}).map(rowText);
        return lines.some((line) => line.includes(what)) && detail.screen;
      },
      30_000,
    );

  test("freezes nobody, and has the newest screen with its modes once it reads again", async () => {
    const tty = openTty(wrapped(script), { env: server.home.env, cwd: server.home.dir });
    ttys.push(tty);
    await tty.sees("ready|");
    const { id } = await sessionOf("ready|");
    tty.pty.pause();
    tty.type("go\n");
    await phoneSees(id, "drawn green");
    const typed = await server.phone.request("POST", `/api/sessions/${id}/input`, {
      stream: "a-stream-of-its-own",
      seq: 1,
      text: "from the phone",
      enter: true,
    });
    expect(typed.status).toBe(200);
    const seen = await phoneSees(id, "heard from the phone");
    expect(tty.text()).not.toContain("drawn");
    tty.pty.resume();
    await tty.sees("heard from the phone");
    await until("it is all painted", () => tty.screen.modes().bracketedPaste);
    const { lines, cursor, full } = tty.screen.whole();
    expect(Object.values(lines)).toEqual(Object.values(seen.lines));
    expect(cursor).toEqual(seen.cursor);
    expect(full).toBe(true);
    expect(tty.screen.modes().wheel).toBe("sgr");
    tty.type("from the desk\n");
    await tty.sees("heard from the desk");
    await phoneSees(id, "heard from the desk");
    // what it had before, and the screen under the full one: nothing half of a sequence
    expect(tty.text()).not.toContain("[");
    tty.pty.kill("SIGKILL");
  }, 60_000);

  test("and one that reads slowly misses nothing", async () => {
    const tty = openTty(
      wrapped(
        `printf 'ready|'; read -r go; i=0; while [ $i -lt 12000 ]; do echo "$i ${"much ".repeat(12)}"; i=$((i+1)); done; printf 'END'`,
      ),
      {
        env: server.home.env,
        cwd: server.home.dir,
        silent: true,
      },
    );
    ttys.push(tty);
    await tty.sees("ready|");
    await sessionOf("12000");
    tty.type("go\r");
    // it stands still again and again, each time for less than two seconds
    for (let round = 0; round < 4; round++) {
      tty.pty.pause();
      await Bun.sleep(1200);
      const before = tty.bytes().length;
      tty.pty.resume();
      await until(
        "it reads on",
        () => tty.bytes().length > before + 20_000 || tty.text().includes("END"),
      );
    }
    expect((await tty.exited).code).toBe(0);
    const shown = Buffer.from(tty.bytes()).toString();
    const rows = shown.slice(shown.indexOf("0 much"), shown.lastIndexOf("END")).split("\r\n");
    expect(rows.slice(0, -1)).toEqual(Array.from({ length: 12_000 }, (_, i) => row(i)));
  }, 60_000);

  test("and one that stands still as the program ends has the rest of it too", async () => {
    const ended = join(server.home.dir, "ended");
    const tty = openTty(
      wrapped(
        `printf 'ready|'; read -r go; i=0; while [ $i -lt 2000 ]; do echo "$i ${"much ".repeat(12)}"; i=$((i+1)); done; printf 'END'; : >'${ended}'`,
      ),
      { env: server.home.env, cwd: server.home.dir, silent: true },
    );
    ttys.push(tty);
    await tty.sees("ready|");
    tty.pty.pause();
    tty.type("go\r");
    await until("the program has written all", () => existsSync(ended));
    await Bun.sleep(1200);
    tty.pty.resume();
    expect((await tty.exited).code).toBe(0);
    expect(Buffer.from(tty.bytes()).toString()).toContain("END");
  }, 60_000);
});

describe("a phone that fits the terminal to itself", () => {
  const fit = async (id: string, cols: number | null, rows?: number) =>
    expect(
      (await server.phone.request("POST", `/api/sessions/${id}/resize`, { cols, rows })).status,
    ).toBe(200);

  test("leaves no row at the desk that the program knows nothing of", async () => {
    // what draws all rows that it has, at each change of size
    const script = `printf '\\033[?1049hready|'; draw() { set -- $(stty size); printf '\\033[H'; i=1; while [ $i -le $1 ]; do printf '\\033[%d;1Hrow %d of %d x %d\\033[K' $i $i $1 $2; i=$((i+1)); done; }; trap draw WINCH; while :; do sleep 0.05; done`;
    const tty = openTty(wrapped(script), {
      env: server.home.env,
      cwd: server.home.dir,
      cols: 100,
      rows: 30,
    });
    ttys.push(tty);
    await tty.sees("ready|");
    const { id } = await sessionOf("ready|");
    tty.resize(100, 31);
    await tty.sees("row 31 of 31 x 100");
    await fit(id, 45, 12);
    await tty.sees("row 12 of 12 x 45");
    const rows = tty.screen.text();
    expect(rows.filter((row) => row.includes("row"))).toEqual(
      Array.from({ length: 12 }, (_, i) => `row ${i + 1} of 12 x 45`),
    );
    await fit(id, null);
    await tty.sees("row 31 of 31 x 100");
    expect(tty.screen.text()).toEqual(
      Array.from({ length: 31 }, (_, i) => `row ${i + 1} of 31 x 100`),
    );
    tty.pty.kill("SIGKILL");
  }, 30_000);

  test("and gives it back leaves the desk with what the phone saw, also of a program that prints lines", async () => {
    const script = `stty -echo; printf 'ready>'; i=0; while read -r line; do for n in 1 2 3 4 5 6 7 8; do echo "$i: $line and a line that is wider than a phone"; i=$((i+1)); done; done`;
    const tty = openTty(wrapped(script), {
      env: server.home.env,
      cwd: server.home.dir,
      cols: 100,
      rows: 30,
    });
    ttys.push(tty);
    await tty.sees("ready>");
    const { id } = await sessionOf("ready>");
    tty.type("one\n");
    await tty.sees("7: one");
    await fit(id, 30, 20);
    const seen = async (what: string) => {
      const { screen } = await until("the phone sees it", async () => {
        const detail = await server.phone.get(SessionDetail, "GET", `/api/sessions/${id}`);
        return (
          Object.values(detail.screen?.lines ?? {}).some((line) => line.includes(what)) && detail
        );
      });
      return screen;
    };
    await until("the phone has its size", async () => (await seen("7: one"))?.cols === 30);
    await server.phone.request("POST", `/api/sessions/${id}/input`, {
      stream: "another-stream",
      seq: 1,
      text: "two",
      enter: true,
    });
    await seen("15: two");
    await fit(id, null);
    const screen = await until("the desk's size is back", async () => {
      const now = await seen("15: two");
      return now?.cols === 100 && now;
    });
    await until("the desk shows the same", () => {
      const rows = Object.values(tty.screen.whole().lines).map(rowText);
      return JSON.stringify(rows) === JSON.stringify(Object.values(screen.lines).map(rowText));
    });
    tty.pty.kill("SIGKILL");
  }, 30_000);
});

describe("what the terminal at the desk says by itself", () => {
  /** Answers to queries, and reports (xterm's ctlseqs, kitty's protocols). */
  const REPLIES = [
    "\x1b[?1;2c",
    "\x1b[>41;390;0c",
    "\x1bP!|00000000\x1b\\",
    "\x1b[0n",
    "\x1b[?15n",
    "\x1b[12;5R",
    "\x1b[?12;5;1R",
    "\x1b[8;24;80t",
    "\x1b[4;600;800t",
    "\x1b[6;20;10t",
    "\x1b]lshell\x1b\\",
    "\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\",
    "\x1b]4;1;rgb:cdcd/0000/0000\x07",
    "\x1b]52;c;aGVsbG8gd29ybGQ=\x07",
    "\x1bP>|kitty(0.39.1)\x1b\\",
    "\x1bP1+r544e=787465726d\x1b\\",
    "\x1bP1$r0;1m\x1b\\",
    "\x1b_Gi=31;OK\x1b\\",
    "\x1b[?2026;2$y",
    "\x1b[?1u",
    "\x1b[?997;1n",
    "\x1b[48;24;80;480;800t",
    "\x1b[2;1;1;120;120;1;0x",
    "\x1b[I",
    "\x1b[O",
    "\x1b[<35;20;10M",
    "\x1b[<0;20;10m",
    "\x1b[<64;20;10M",
    "\x1b[M !!",
    "\x1b[97;1:3u",
  ];

  test("is no typing, wherever reads cut it: a phone keeps the size that it took, until a key is pressed", async () => {
    const tty = openTty(wrapped("stty raw -echo; printf 'ready|'; exec cat >/dev/null"), {
      env: server.home.env,
      cwd: server.home.dir,
      silent: true,
    });
    ttys.push(tty);
    await tty.sees("ready|");
    const { id } = await sessionOf("stty raw -echo");
    const size = async () =>
      (await server.phone.get(SessionDetail, "GET", `/api/sessions/${id}`)).screen?.cols;
    const fit = async () => {
      await server.phone.request("POST", `/api/sessions/${id}/resize`, { cols: 40, rows: 20 });
      await until("the phone has the size", async () => (await size()) === 40);
    };
    await fit();
    for (const reply of REPLIES) tty.type(reply);
    for (const reply of REPLIES)
      for (const part of [reply.slice(0, 1), reply.slice(1, 4), reply.slice(4)]) {
        tty.type(part);
        await Bun.sleep(5);
      }
    // each on its own, cut after the Escape
    await Bun.sleep(500);
    expect(await size()).toBe(40);
    for (const key of [
      "x",
      "\x1b",
      "\x1b[A",
      "\x1b[57399u",
      "\x1b[200~pasted\x1b[201~",
      "\x1b[25~",
    ]) {
      await fit();
      tty.type(key);
      await until(
        `${JSON.stringify(key)} brings the desk's size back`,
        async () => (await size()) === 80,
      );
    }
    tty.pty.kill("SIGKILL");
  }, 60_000);
});

describe("the size in pixels", () => {
  /** Says its terminal's size as TIOCGWINSZ has it: rows, columns, width, height. */
  const says = `perl -e '$|=1; sub say_it { my $s = ""; $s = "\\0" x 8; ioctl(STDIN, 0x5413, $s); print join("x", unpack("S4", $s)), " "; } $SIG{WINCH} = sub { say_it(); }; say_it(); print "ready|"; while (1) { select(undef, undef, undef, 0.05); }'`;

  test.each(["with a server", "with none"])(
    "goes through to the program, at its start and when it changes alone, %s",
    async (where) => {
      const home = emptyHome();
      const env = where === "with none" ? home.env : server.home.env;
      const tty = openTty(
        [
          "sh",
          "-c",
          `sleep 0.5; exec ${quoted([...SELF, "run", "--command", "sh", "--", "-c", says])}`,
        ],
        { env, cwd: env.HOME ?? "/" },
      );
      ttys.push(tty);
      tty.pty.resize(80, 24, { width: 800, height: 480 });
      await tty.sees("24x80x800x480 ready|");
      tty.pty.resize(80, 24, { width: 1600, height: 960 });
      await tty.sees("24x80x1600x960");
      tty.pty.resize(100, 30, { width: 2000, height: 1200 });
      await tty.sees("30x100x2000x1200");
      tty.pty.kill("SIGKILL");
      home.remove();
    },
    30_000,
  );

  test("of a phone's size is what that would be at the desk", async () => {
    const tty = openTty(["sh", "-c", `sleep 0.5; exec ${quoted(wrapped(says))}`], {
      env: server.home.env,
      cwd: server.home.dir,
    });
    ttys.push(tty);
    tty.pty.resize(80, 24, { width: 800, height: 480 });
    await tty.sees("24x80x800x480 ready|");
    const { id } = await sessionOf("unpack");
    await server.phone.request("POST", `/api/sessions/${id}/resize`, { cols: 40, rows: 30 });
    await tty.sees("30x40x400x600");
    tty.pty.kill("SIGKILL");
  }, 30_000);

  test("is none where the terminal tells none", async () => {
    const tty = openTty(wrapped(says), { env: server.home.env, cwd: server.home.dir });
    ttys.push(tty);
    await tty.sees("24x80x0x0 ready|");
    tty.pty.kill("SIGKILL");
  }, 30_000);
});

describe("a terminal that is larger than what travels of it", () => {
  test.each([
    [2500, 30],
    [90, 2400],
    [9000, 9000],
  ])(
    "of %p columns and %p rows is seen, without what is beyond, and that is said once",
    async (cols, rows) => {
      const script = `printf 'large|'; printf '\\033[99999;1Hbottom\\033[1;99999Hx\\033[Hready|'; read -r line; i=0; rows=$(stty size | cut -d' ' -f1); while [ $i -lt $((rows + 50)) ]; do echo "row $i"; i=$((i+1)); done; read -r line`;
      const tty = openTty(["sh", "-c", `${quoted(wrapped(script))}; echo over`], {
        env: server.home.env,
        cwd: server.home.dir,
        cols: 80,
        rows: 24,
      });
      ttys.push(tty);
      tty.pty.resize(cols, rows);
      await until("it runs", () => Buffer.from(tty.bytes()).includes("ready|"));
      const { id } = await sessionOf("large|");
      const detail = () => server.phone.get(SessionDetail, "GET", `/api/sessions/${id}`);
      const sees = (text: string) =>
        until(`the phone sees ${text}`, async () => {
          const { screen } = await detail();
          return Object.values(screen?.lines ?? {}).some((line) => line.includes(text)) && screen;
        });
      const screen = await sees("ready|");
      expect(screen.cols).toBe(Math.min(cols, 2000));
      expect(screen.rows).toBe(Math.min(rows, cols > 4000 ? 1000 : 2000));
      tty.type("go\r");
      await sees(`row ${rows + 49}`);
      tty.type("\r");
      await until("it is over", () => Buffer.from(tty.bytes()).includes("over"), 20_000);
      const said = Buffer.from(tty.bytes())
        .toString()
        .match(/beyond column or row 2000/g);
      expect(said?.length).toBe(1);
    },
    60_000,
  );
});

describe("signals", () => {
  const asks = ["grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status"];
  const found = async (argv: readonly string[]) => {
    const tty = openTty(argv, { env: server.home.env, cwd: server.home.dir, silent: true });
    ttys.push(tty);
    await tty.exited;
    return Buffer.from(tty.bytes()).toString();
  };
  const through = [...SELF, "run", "--command", "grep", "--", ...asks.slice(1)];

  test("are ignored by a wrapped program as without the wrapper: none, or what it was started to ignore", async () => {
    const bare = await found(asks);
    expect(bare).toMatch(/SigIgn:\s0+\s/);
    expect(await found(through)).toBe(bare);
    for (const signals of ["HUP", "USR1 USR2", "HUP QUIT ALRM WINCH"]) {
      const started = (argv: readonly string[]) => [
        "bash",
        "-c",
        `trap '' ${signals}; exec ${quoted(argv)}`,
      ];
      const expected = await found(started(asks));
      expect(expected).not.toBe(bare);
      expect(await found(started(through))).toBe(expected);
    }
  }, 60_000);

  test("end a wrapped program whose file grows too large, as without the wrapper", async () => {
    const script = 'ulimit -f 1; head -c 4096 /dev/zero >large; echo "ended $?"';
    for (const argv of [
      ["bash", "-c", script],
      [...SELF, "run", "--command", "bash", "--", "-c", script],
    ])
      expect(await found(argv)).toContain(`ended ${128 + 25}`);
  }, 30_000);
});
