import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programPid } from "../../src/runner/program.ts";
import { emptyHome, SELF } from "../support/home.ts";
import { openTty, type Tty } from "../support/tty.ts";
import { until } from "../support/until.ts";

let home: ReturnType<typeof emptyHome>;
let file: string;
const ttys: Tty[] = [];
beforeAll(() => {
  home = emptyHome();
  file = join(home.dir, "much");
  writeFileSync(
    file,
    Array.from({ length: 60_000 }, (_, i) => `${i} ${"much ".repeat(i % 19)}`).join("\n"),
  );
});
afterAll(() => {
  for (const tty of ttys) tty.pty.kill("SIGKILL");
  home.remove();
});
const wrapped = (script: string) => {
  const tty = openTty([...SELF, "run", "--command", "sh", "--", "-c", script], {
    env: home.env,
    cwd: home.dir,
  });
  ttys.push(tty);
  return tty;
};

test("a terminal that takes nothing for a while stalls nothing else, and then gets every byte in order", async () => {
  const typed = join(home.dir, "typed");
  const tty = wrapped(
    `stty raw -echo; printf 'ready|'; read -r go; cat '${file}' & read -r x; echo "$x" >'${typed}'; wait; printf '|END'`,
  );
  await tty.sees("ready|");
  tty.pty.pause(); // the window is frozen, as by Ctrl-S
  tty.type("go\n");
  await Bun.sleep(500); // by now all that lies between is full
  tty.type("still heard\n");
  expect(
    await until(
      "the program has what was typed",
      () => existsSync(typed) && readFileSync(typed, "utf8"),
    ),
  ).toBe("still heard\n");
  tty.pty.resume();
  expect(await tty.exited).toEqual({ code: 0 });
  const shown = Buffer.from(tty.bytes()).toString();
  expect(
    shown.slice(shown.indexOf("|") + 1, shown.lastIndexOf("|END")) === readFileSync(file, "utf8"),
  ).toBe(true);
}, 30_000);

test("a terminal that is closed while it takes nothing leaves nothing behind", async () => {
  const tty = wrapped(`printf 'ready|'; read -r go; cat '${file}'`);
  await tty.sees("ready|");
  const wrapper = programPid(tty.pty.holder) ?? 0;
  tty.pty.pause();
  tty.type("go\r");
  await Bun.sleep(500);
  process.kill(tty.pty.holder, "SIGKILL"); // the terminal goes with its session's leader
  tty.pty.resume();
  await until("the wrapper is gone", () => !isAlive(wrapper), 15_000);
}, 30_000);

const isAlive = (pid: number) =>
  existsSync(`/proc/${pid}`) && !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
