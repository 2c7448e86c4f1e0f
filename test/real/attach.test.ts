import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Attached, openAttached } from "../support/attached.ts";
import { type RealClaude, startRealClaude } from "../support/claude.ts";
import { type HomeServer, startHomeServer } from "../support/home-server.ts";
import { until } from "../support/until.ts";

let server: HomeServer;
let claude: RealClaude;
let attached: Attached;
beforeAll(async () => {
  server = await startHomeServer();
  claude = await startRealClaude(server);
  attached = openAttached(server, [], { cols: 80, rows: 24 });
  await attached.sees("manual mode on");
}, 60_000);
afterAll(async () => {
  await claude.quit();
  await server.stop();
});
const made = (name: string) => existsSync(join(claude.work, name));
/** A question lies over the screen, and takes an answer. */
const asked = async (says: string) => {
  await attached.sees(says, 20_000);
  await Bun.sleep(500);
};

test("what is typed at the attached terminal is what Claude gets, and its question is approved there", async () => {
  attached.type("run: touch typed.txt");
  await attached.sees(/❯\srun: touch typed.txt/);
  attached.type("\r");
  await asked("Run a command?");
  expect(attached.text()).toContain("touch typed.txt");
  expect(made("typed.txt")).toBe(false);
  attached.type("y");
  await until("it ran", () => made("typed.txt"));
  await attached.sees("Allowed by PermissionRequest hook");
  await until("it says that it was applied", () =>
    attached.bottom().includes("Approved: applied."),
  );
  await claude.tty.sees("Done.");
}, 60_000);

test("a rejection takes words along", async () => {
  await claude.say("run: touch rejected.txt");
  await asked("Run a command?");
  attached.type("n");
  await attached.sees("Reject, saying");
  attached.type("use the other folder\r");
  await until("Claude was told", () =>
    claude.api.results.some(
      (result) => result.isError && result.text.includes("use the other folder"),
    ),
  );
  await until("it says that it was applied", () =>
    attached.bottom().includes("Rejected: applied."),
  );
  expect(made("rejected.txt")).toBe(false);
}, 60_000);

test("no key gets into a question: it comes back over the screen, and goes when the desk answers", async () => {
  await claude.say("run: touch desk.txt");
  await asked("Run a command?");
  attached.type("\x1b");
  await attached.sees("Do you want to proceed?");
  attached.type("1\r");
  await asked("Run a command?");
  expect(made("desk.txt")).toBe(false);
  claude.tty.type("1");
  await until("it ran", () => made("desk.txt"));
  await until("it says by whom", () => attached.bottom().includes("Approved at the desk."));
  await claude.tty.sees("Done.");
}, 60_000);

test("a question is answered by its number", async () => {
  await claude.say("ask");
  await asked("Which database should we use?");
  attached.type("2");
  await attached.sees("Enter: “2. PostgreSQL”");
  attached.type("\r");
  await until("Claude was told", () =>
    claude.api.results.some((result) => result.text.includes('"PostgreSQL"')),
  );
}, 60_000);

test("Claude's own screen is fitted, and given back on leaving", async () => {
  attached.chord("f");
  await until("it is fitted", () => attached.bottom().includes("fitted"));
  await attached.sees("manual mode on");
  attached.chord("d");
  expect(await attached.exited).toEqual({ code: 0 });
  await claude.tty.sees(/─{95}/); // as wide as the desk again
}, 60_000);
