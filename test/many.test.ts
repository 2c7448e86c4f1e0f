import { afterAll, beforeAll, expect, test } from "bun:test";
import { OutputPage } from "../src/types.ts";
import { type Dashboard, makePrompt, openDashboard, screen } from "./support/dashboard.ts";
import { SELF } from "./support/home.ts";
import { type HomeServer, startHomeServer } from "./support/home-server.ts";
import { openTty, type Tty } from "./support/tty.ts";
import { until } from "./support/until.ts";

const PLAYED = 100;
const LINES = 200;
/** Real ones take some 50 MB and a few hundred ms of a processor each. */
const REAL = 12;

let dashboard: Dashboard;
beforeAll(async () => {
  dashboard = await openDashboard();
}, 30_000);
afterAll(() => dashboard.close());

test(`${PLAYED} sessions at once are each whole; the page lists them all, and what is answered there reaches the one that asks`, async () => {
  const name = (i: number) => `s_${String(i).padStart(3, "0")}`;
  const { machine, server } = dashboard;
  const sockets = await Promise.all(
    Array.from({ length: PLAYED }, (_, i) => dashboard.playRunner(name(i))),
  );
  const phone = await dashboard.openPaired();
  try {
    const { page } = phone;
    await until(
      "all are listed",
      async () => (await page.locator("li.session").count()) === PLAYED,
    );

    // each has a screen and a history of its own, sent in turn, a few lines at a time
    for (let from = 0; from < LINES; from += 40) {
      for (const [i, socket] of sockets.entries()) {
        const lines = Array.from({ length: 40 }, (_, n) => `${name(i)} line ${from + n}`);
        socket.send({
          type: "output",
          session: name(i),
          seq: 1 + from / 40,
          op: { op: "append", generation: 0, from, lines },
        });
        socket.send(screen(name(i), 1 + from / 40, [`${name(i)} shows ${from}`]));
      }
    }
    await Promise.all(
      sockets.map(async (socket, i) => {
        while ((await socket.next("ack")).seq < LINES / 40);
        const { lines } = await machine.get(
          OutputPage,
          "GET",
          `/api/sessions/${name(i)}/output?limit=1000`,
        );
        expect(lines.map(({ row }) => row)).toEqual(
          Array.from({ length: LINES }, (_, n) => `${name(i)} line ${n}`),
        );
      }),
    );

    // ten ask at once; they are answered in another order, one by a tap on the page
    const asking = [7, 93, 11, 42, 0, 99, 58, 23, 64, 31];
    for (const i of asking)
      sockets[i]?.send({
        type: "prompt",
        prompt: makePrompt(name(i), `p_${i}`, { input: { command: `make ${name(i)}` } }),
      });
    await until(
      "all ten wait on the page",
      async () => (await page.getByRole("alertdialog").count()) === asking.length,
    );
    await page
      .getByRole("alertdialog")
      .filter({ hasText: "make s_042" })
      .getByRole("button", { name: "Approve" })
      .click();
    expect(await sockets[42]?.next("decide")).toMatchObject({ prompt: "p_42", action: "approve" });
    const prompts = await machine.prompts();
    const rest = asking.filter((i) => i !== 42).reverse();
    const decided = rest.map(async (i, n) => {
      const prompt = prompts.find(({ id }) => id === `p_${i}`);
      const answer =
        n % 2 === 0
          ? machine.approve(prompt ?? makePrompt("", "", {}))
          : machine.json("POST", `/api/prompts/p_${i}/reject`, {});
      const decide = await sockets[i]?.next("decide");
      expect(decide).toMatchObject({
        prompt: `p_${i}`,
        action: n % 2 === 0 ? "approve" : "reject",
      });
      sockets[i]?.send({ type: "decided", decision: decide?.decision, result: "sent" });
      expect((await answer).status).toBe(200);
    });
    await Promise.all(decided);

    // any of them opens, and shows its own
    await page.goto(`${server.origin}/#/s/${name(77)}`);
    await page.getByText(`${name(77)} shows ${LINES - 40}`).waitFor();
    sockets[77]?.send(screen(name(77), 99, ["still quick"]));
    await page.getByText("still quick").waitFor();
    expect((await machine.sessions()).filter(({ status }) => status === "running").length).toBe(
      PLAYED,
    );
    expect(phone.suspicious).toEqual([]);
  } finally {
    for (const socket of sockets) socket.close();
    await phone.context.close();
  }
}, 60_000);

test(`${REAL} real ones at once print, take what is typed to each, and end, each by itself`, async () => {
  const server: HomeServer = await startHomeServer();
  const ttys: Tty[] = [];
  try {
    for (let i = 0; i < REAL; i++) {
      const script = `seq ${i}0001 ${i}0300; echo ready; read x; echo "${i} took $x"; exit ${i}`;
      ttys.push(
        openTty([...SELF, "run", "--command", "sh", "--", "-c", script], {
          env: server.home.env,
          cwd: server.home.dir,
        }),
      );
    }
    await Promise.all(ttys.map((tty) => tty.sees("ready", 60_000)));
    const sessions = await until("all are shown", async () => {
      const running = (await server.phone.sessions()).filter(({ status }) => status === "running");
      return running.length === REAL && running;
    }, 30_000); // biome-ignore format: one thought
    const ids = Array.from(
      { length: REAL },
      (_, i) => sessions.find(({ command }) => command.includes(`seq ${i}0001 `))?.id ?? "",
    );
    await Promise.all(
      ids.map(async (id, i) => {
        const whole = Array.from({ length: 300 - 22 }, (_, n) =>
          String(i * 10_000 + n + 1).padStart(5, String(i)),
        );
        const known = await until("its history is there", async () => {
          const { lines } = await server.phone.get(OutputPage, "GET", `/api/sessions/${id}/output?limit=1000`);
          return lines.length >= whole.length && lines.map(({ row }) => row);
        }, 30_000); // biome-ignore format: one thought
        expect(known.map(Number)).toEqual(whole.map(Number));
        expect(
          (
            await server.phone.json("POST", `/api/sessions/${id}/input`, {
              stream: "x",
              seq: 1,
              text: `word ${i}`,
              enter: true,
            })
          ).status,
        ).toBe(200);
        expect(await ttys[i]?.exited).toEqual({ code: i });
        expect(ttys[i]?.text()).toContain(`${i} took word ${i}`);
      }),
    );
    const exits = async () => {
      const all = await server.phone.sessions();
      return ids.map((id) => all.find((session) => session.id === id)?.exit?.code);
    };
    await until(
      "every end is known",
      async () => (await exits()).every((code, i) => code === i),
      20_000,
    );
  } finally {
    for (const tty of ttys) tty.pty.kill("SIGKILL");
    await server.stop();
  }
}, 120_000);
