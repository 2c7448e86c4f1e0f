import { afterAll, beforeAll, expect, test } from "bun:test";
import { deviceKeys, randomNonce, signRequest } from "../src/auth.ts";
import type { RunningServer } from "../src/server.ts";
import type { Frame } from "../src/types.ts";
import { type Dashboard, openDashboard, screen } from "./support/dashboard.ts";
import type { EventReader, Phone } from "./support/phone.ts";
import { until } from "./support/until.ts";

let dashboard: Dashboard;
let server: RunningServer;
let machine: Phone;
beforeAll(async () => {
  dashboard = await openDashboard();
  ({ server, machine } = dashboard);
}, 60_000);
afterAll(() => dashboard.close());

const frame = (rev: number, lines: Frame["lines"]): Frame => ({
  rev,
  cols: 20,
  rows: 3,
  cursor: { x: 0, y: 0, visible: true },
  title: "",
  lines,
});
/** The rows as a page that drew every frame has them. */
const drawn = ({ received }: EventReader) => {
  const rows: string[] = [];
  for (const { event } of received)
    if (event.name === "screen")
      for (const [y, row] of Object.entries(event.data.lines)) rows[Number(y)] = row;
  return rows;
};

test("viewers that come at different times have the same screen", async () => {
  const socket = await dashboard.playRunner("s_many");
  const viewers: EventReader[] = [];
  const seen = (rev: number) => machine.request("POST", "/api/sessions/s_many/seen", { rev }); // or it is left alone after two seconds
  const say = async (rev: number, lines: Frame["lines"]) => {
    socket.send({ type: "screen", session: "s_many", frame: frame(rev, lines) });
    for (const viewer of viewers) await viewer.next("screen", (screen) => screen.rev === rev);
    await seen(rev);
  };
  const come = async () => {
    const viewer = await machine.events("s_many");
    await seen((await viewer.next("screen")).rev);
    viewers.push(viewer);
  };
  await say(1, { 0: "first", 1: "", 2: "" });
  await until(
    "the screen is there",
    async () => (await machine.json("GET", "/api/sessions/s_many")).body,
  );
  await come();
  await come();
  await say(2, { 1: "second" });
  await come();
  await say(3, { 0: "third" });
  await come();
  await come();
  await say(4, { 2: "fourth" });
  expect(viewers.map(drawn)).toEqual(viewers.map(() => ["third", "second", "fourth"]));
  for (const viewer of viewers) viewer.close();
  socket.close();
});

test("a viewer that stops reading is left alone, and begins anew once it reads again", async () => {
  const socket = await dashboard.playRunner("s_stalled");
  const { host, hostname, port } = new URL(server.origin);
  const target = "/events?session=s_stalled";
  const signed = {
    method: "GET",
    host,
    target,
    device: machine.device,
    ts: Math.floor(Date.now() / 1000),
    nonce: randomNonce(),
  };
  let got = "";
  const viewer = await Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data(_, bytes) {
        got += bytes.toString("latin1");
      },
    },
  });
  viewer.write(
    `GET ${target} HTTP/1.1\r\nhost: ${host}\r\nauthorization: ${signRequest(deviceKeys(machine.secret), signed)}\r\n\r\n`,
  );
  await until("the stream begins", () => got.includes("event: hello"));
  viewer.pause();
  const looksOn = await machine.events();
  const login = (i: number) => ({
    type: "auth_url",
    session: "s_stalled",
    url: `https://login.example/${i}/${"x".repeat(4000)}`,
  });
  const count = 4000; // some 16 MB: more than the kernel takes for one that does not read
  for (let i = 0; i < count; i++) socket.send(login(i));
  await looksOn.next("auth_url", ({ url }) => url?.includes(`/${count - 1}/`) === true, 30_000);
  viewer.resume();
  await until("it is told to begin anew", () => got.includes("event: reset"), 20_000);
  expect(got.length).toBeLessThan(count * 4000);
  socket.send(login(count));
  await until("it goes on", () => got.includes(`/${count}/`));
  viewer.end();
  looksOn.close();
  socket.close();
}, 60_000);

test("who comes back after as many events as are kept is told them all, and first which stream this is", async () => {
  const socket = await dashboard.playRunner("s_back");
  const looksOn = await machine.events();
  const count = 1001; // the server keeps 1000
  for (let i = 0; i < count; i++)
    socket.send({ type: "auth_url", session: "s_back", url: `https://login.example/${i}` });
  await looksOn.next("auth_url", ({ url }) => url?.endsWith(`/${count - 1}`) === true, 30_000);
  const left = looksOn.received.find(
    ({ event }) => event.name === "auth_url" && event.data.url?.endsWith("/0"),
  );
  const back = await machine.events("s_back", left?.id);
  await back.next("auth_url", ({ url }) => url?.endsWith(`/${count - 1}`) === true);
  expect(back.received.map(({ event }) => event.name).slice(0, 2)).toEqual(["hello", "auth_url"]);
  expect(back.received.filter(({ event }) => event.name === "auth_url")).toHaveLength(count - 1);
  for (const reader of [looksOn, back]) reader.close();
  socket.close();
}, 60_000);

test("a page tells what it has drawn: seldom where that is little, and so that much of it goes on", async () => {
  const socket = await dashboard.playRunner("s_drawn");
  const { page, context, suspicious } = await dashboard.openPaired();
  let told = 0;
  page.on("request", (request) => {
    if (request.url().endsWith("/seen")) told++;
  });
  await page.goto(`${server.origin}/#/s/s_drawn`);
  const shows = (text: string) => page.getByText(text, { exact: true }).first().waitFor();
  socket.send(screen("s_drawn", 1, ["begun"]));
  await shows("begun");
  const from = performance.now();
  for (let rev = 2; rev <= 60; rev++) {
    socket.send(screen("s_drawn", rev, [`little ${rev}`]));
    await Bun.sleep(40);
  }
  await shows("little 60");
  expect(told).toBeGreaterThan(0);
  expect(told).toBeLessThanOrEqual(2 + (performance.now() - from) / 700);
  const row = "much ".repeat(16);
  for (let rev = 61; rev <= 160; rev++) {
    socket.send(
      screen("s_drawn", rev, [
        `much ${rev}`,
        ...Array.from({ length: 100 }, () => `${rev} ${row}`),
      ]),
    );
    await Bun.sleep(5);
  }
  await shows("much 160");
  expect(suspicious).toEqual([]);
  await context.close();
  socket.close();
}, 60_000);
