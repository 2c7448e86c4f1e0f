import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openClient } from "../../src/attach/client.ts";
import { followSession } from "../../src/attach/follow.ts";
import { openTyping } from "../../src/attach/typing.ts";
import { toBase64url } from "../../src/auth.ts";
import { openSession } from "../../src/runner/session.ts";
import type { Frame } from "../../src/types.ts";
import type { Clock } from "./clock.ts";
import type { House } from "./house.ts";
import { type loadPage, openPage } from "./page.ts";
import { openProgram } from "./program.ts";
import type { Requests } from "./requests.ts";

/** What all schedules of a process share. */
export interface Stage {
  clock: Clock;
  modules: Awaited<ReturnType<typeof loadPage>>;
  requests: Requests;
  /** A process whose child passes for the program. */
  holder: number;
}

/** A prompt as `attach` heard of it. */
export interface Heard {
  id: string;
  state: string;
  /** Who answered what. */
  answer: string | undefined;
}

/** A program with its runner, and two that look on: a page and an `attach`. */
export async function openWorld({ modules, requests, holder }: Stage, house: House, name: string) {
  const { origin, machine, phone, wire } = house;
  requests.origin = origin;
  requests.forget();
  const dir = join(house.dir, name);
  mkdirSync(dir);
  const program = openProgram(dir, holder);
  const pairing = { server: origin, device: machine.device, secret: toBase64url(machine.secret) };
  const session = openSession(program.wrapped, pairing, "0", { desk: true, unlogged: false });
  program.begin(
    session.program,
    session.watch(program.pty, program.size, () => undefined),
  );
  // the server has to have heard of it before anybody can look
  for (
    let tries = 0;
    (await machine.request("GET", `/api/sessions/${session.id}`)).status !== 200;
    tries++
  ) {
    if (tries > 200) throw new Error("the session never came up");
    await Bun.sleep(20);
  }

  const page = openPage(modules, origin, phone.device, phone.secret, session.id);
  const client = openClient(pairing);
  const screen = { payloads: [] as string[], frame: undefined as Frame | undefined };
  const heard: Heard[] = [];
  const gone: string[] = [];
  const follow = followSession(client, session.id, {
    onConnected: () => undefined,
    onFrame(frame) {
      screen.frame = frame;
      screen.payloads.length = frame.rows;
      for (const [y, payload] of Object.entries(frame.lines)) screen.payloads[Number(y)] = payload;
    },
    onSession: () => undefined,
    onPrompt: ({ id, state, answer }) =>
      void heard.push({
        id,
        state,
        answer: answer && `${answer.decision} by ${answer.device ?? answer.by}`,
      }),
    onLink: () => undefined,
    onGone: (words) => void gone.push(words),
    onFault: (words) => void gone.push(words),
  });
  const fares = { typing: "", dropped: false };
  const onState = (words: string) => {
    fares.typing = words;
    fares.dropped ||= words !== "" && !words.startsWith("Not sent yet");
  };
  const onAsked = () => {
    fares.dropped = true;
  };
  const typing = openTyping(client, session.id, { onState, onAsked });

  let ended: Promise<string | undefined> | undefined;
  const world = {
    ...{
      house,
      program,
      session,
      page,
      client,
      follow,
      typing,
      screen,
      heard,
      gone,
      fares,
      requests,
    },
    /** The program is over; resolves with what kept the session from being shown. */
    end(): Promise<string | undefined> {
      ended ??= session.end({ code: 0 });
      return ended;
    },
    async close(): Promise<void> {
      wire.heal();
      await world.end();
      page.close();
      follow.close();
      wire.cut("viewer");
      wire.cut("runner");
      program.truth.dispose();
    },
  };
  return world;
}
export type World = Awaited<ReturnType<typeof openWorld>>;
