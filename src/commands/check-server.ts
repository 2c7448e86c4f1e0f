import * as v from "valibot";
import {
  clockText,
  deviceKeys,
  fromBase64url,
  mac,
  randomNonce,
  sameMac,
  signRequest,
} from "../auth.ts";
import { readSeat } from "../hub/seat.ts";
import { fetchServer, ownTls, type Pairing } from "../runner/link.ts";
import { PairingError } from "../runner/pairing.ts";
import { networkCause } from "../runner/uplink/network-error.ts";
import { ApiError, DeviceInfo, PushState, parseJson } from "../types.ts";
import { checkCertificate } from "./check-certificate.ts";
import type { Config } from "./config.ts";
import { strangerAt } from "./embedded.ts";
import { type Finding, fails, ok, warning } from "./finding.ts";

/** How long an answer, or the first event of a stream, may take, in ms. */
const ANSWER_MS = 5000;
/** The server refuses the first request from a clock that is off by more than this, and tells the time; below is what a person may want to know of. In seconds. */
const MOST_SKEW_S = 60;
const SKEW_S = 5;

const Refused = v.object({ time: v.number(), mac: v.string() });
const DiskFull = v.object({ disk: v.literal("full") });
const List = v.object({ devices: v.array(DeviceInfo) });
const REPAIR =
  "pair this machine again: `claude-remote pair LINK`, with a link from a paired phone or the server's host";

/** The server that this machine is paired with, from the wire up. What can't be known after a failure is not asked. */
export async function* checkServer(
  config: Config,
  pairing: Pairing | PairingError | undefined,
): AsyncGenerator<Finding> {
  if (pairing instanceof PairingError)
    return yield fails("paired", pairing.message, "do one of the two");
  if (pairing === undefined) {
    const text = "this machine is paired with no server";
    if (config.embedded)
      return yield warning(
        "paired",
        text,
        "the first `claude-remote` starts one here by itself; `claude-remote pair LINK` takes one elsewhere",
      );
    return yield fails(
      "paired",
      text,
      "start `claude-remote server` somewhere, and give its link to `claude-remote pair`",
    );
  }
  const { server } = pairing;
  const stranger = await strangerAt(config.data, pairing);
  if (stranger !== undefined)
    return yield fails(
      "server",
      `this machine's own does not run, and ${stranger}`,
      "or end whatever has that port; then `claude-remote pair` starts the server again",
    );
  // phones know this machine's own server by another name
  const own = pairing.embedded === true;
  const shown = own ? (readSeat(config.data)?.origin ?? server) : server;
  const certificate = await checkCertificate(shown);
  if (certificate !== undefined) yield certificate;
  if (certificate?.state === "fails" && !own) return; // nothing is told to whoever that is
  let health: Response;
  try {
    health = await fetchServer(`${server}/healthz`, {
      signal: AbortSignal.timeout(ANSWER_MS),
      ...ownTls(pairing),
    });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (pairing.embedded === true && readSeat(config.data) === undefined)
      return yield warning(
        "server",
        "the one on this machine does not run",
        "the next `claude-remote` starts it; `claude-remote server status` tells more",
      );
    return yield fails(
      "server",
      `${server} can't be reached: ${networkCause(error, server)}`,
      "`claude-remote server status` on its host tells more; where it has moved, `claude-remote pair LINK` keeps sessions and history",
    );
  }
  if (health.status === 421)
    return yield fails(
      "Host",
      `the server does not answer to the name ${new URL(server).host}`,
      `start it with --public-url ${server}, or pair by a name that it has`,
    );
  if (!health.ok)
    return yield fails(
      "server",
      `${server} answers ${health.status}`,
      "is that a claude-remote server, or a proxy before one that is down?",
    );
  const full = parseJson(DiskFull, await health.text()) !== undefined;
  if (full)
    yield warning(
      "server",
      "its disk is full: what Claude asks can be answered, history waits",
      "make room where its data folder is",
    );
  else yield ok("server", server);
  yield* checkPaired(pairing);
}

/** What only a paired device may ask. */
async function* checkPaired(pairing: Pairing): AsyncGenerator<Finding> {
  const ask = signer(pairing);
  let socket = await ask("/ws");
  const skew = socket.skew;
  if (Math.abs(skew) > SKEW_S)
    yield warning(
      "clock",
      Math.abs(skew) > MOST_SKEW_S
        ? `this machine's clock is ${Math.abs(skew)} s ${skew > 0 ? "behind" : "ahead of"} the server's`
        : `this machine's clock and the server's are ${Math.abs(skew)} s apart`,
      "set it by the network (timedatectl set-ntp true): requests correct themselves, times that are shown do not",
    );
  else yield ok("clock", "agrees with the server's");
  if (socket.status === 401 && skew !== 0) socket = await ask("/ws"); // now by the server's clock
  if (socket.status === 401)
    return yield fails(
      "paired",
      "the server does not know this machine, or has locked it out",
      REPAIR,
    );
  if (socket.status !== 426)
    return yield fails(
      "paired",
      `the server does not let this machine run sessions (${socket.status})`,
      REPAIR,
    );
  yield ok("paired", `as ${pairing.device}`);

  const listed = await ask("/api/devices", { origin: pairing.server });
  if (listed.code === "forbidden")
    return yield ok("kind", "a runner: it runs sessions and may ask for nothing more");
  if (listed.code === "wrong_origin")
    return yield fails(
      "Host, Origin",
      `the server refuses pages from ${pairing.server}`,
      `start it with --public-url ${pairing.server}`,
    );
  if (listed.status !== 200)
    return yield fails("Host, Origin", `the server answers ${listed.status}`, "its log says why");
  yield ok("Host, Origin", "accepted");
  yield await checkStream(ask);
  yield* checkPush(await ask("/api/push/subscription"), listed);
}

/** Whether the first event of a stream comes at once, or a proxy holds it back until there are more. */
async function checkStream(ask: Ask): Promise<Finding> {
  const name = "event stream";
  const began = performance.now();
  const stream = await ask("/events", {}, "first");
  if (stream.text.startsWith("id:") || stream.text.startsWith("event:"))
    return ok(name, `unbuffered (first event after ${Math.round(performance.now() - began)} ms)`);
  if (stream.status === 200 || stream.status === 0)
    return fails(
      name,
      "nothing arrived within five seconds",
      "a proxy before the server holds events back: switch its buffering off for /events",
    );
  return fails(name, `the server answers ${stream.status}`, "its log says why");
}

function* checkPush(state: Answer, listed: Answer): Generator<Finding> {
  const name = "push";
  const push = parseJson(PushState, state.text);
  const devices =
    parseJson(List, listed.text)?.devices.filter(({ revoked_at }) => revoked_at === null) ?? [];
  const failing = devices.filter((device) => device.push === "failing");
  if (push?.trouble !== undefined)
    yield warning(name, "the server can't send notifications", push.trouble);
  else if (failing.length > 0)
    yield warning(
      name,
      `not taken for ${failing.map((device) => device.name).join(", ")}`,
      "open the page there, and send a test under Devices and notifications",
    );
  else if (devices.every((device) => device.push === "off"))
    yield warning(
      name,
      "no phone has switched notifications on",
      "under Devices and notifications on the phone; they need HTTPS",
    );
  else yield ok(name, `on for ${devices.filter((device) => device.push === "on").length}`);
}

interface Answer {
  /** 0 where none came. */
  status: number;
  text: string;
  /** What the server calls a refusal. */
  code: string | undefined;
  /** How far the server's clock is ahead of ours, in seconds. */
  skew: number;
}
type Ask = (
  target: string,
  headers?: Record<string, string>,
  read?: "all" | "first",
) => Promise<Answer>;

/** Asks with signatures, by the server's clock once that is known. */
function signer(pairing: Pairing): Ask {
  const keys = deviceKeys(fromBase64url(pairing.secret) ?? new Uint8Array());
  const { host } = new URL(pairing.server);
  let offset = 0;
  return async (target, headers = {}, read = "all") => {
    const nonce = randomNonce();
    const sent = Math.floor(Date.now() / 1000);
    const signed = signRequest(keys, {
      method: "GET",
      host,
      target,
      device: pairing.device,
      ts: sent + offset,
      nonce,
    });
    const aborter = new AbortController();
    const timer = setTimeout(() => aborter.abort(), ANSWER_MS);
    try {
      const response = await fetchServer(pairing.server + target, {
        headers: { authorization: signed, ...headers },
        signal: aborter.signal,
        ...ownTls(pairing),
      });
      const text = read === "all" ? await response.text() : await firstPart(response);
      const refused = response.status === 401 ? parseJson(Refused, text) : undefined;
      // its word under a MAC counts; of the header only differences below what is refused can come
      const known =
        refused !== undefined &&
        sameMac(refused.mac, mac(keys.clock, clockText(pairing.device, nonce, refused.time)));
      if (known) offset = refused.time - sent;
      const date = Date.parse(response.headers.get("date") ?? "") / 1000;
      const skew = known
        ? offset
        : Number.isNaN(date)
          ? 0
          : Math.max(-MOST_SKEW_S, Math.min(MOST_SKEW_S, Math.round(date - sent)));
      return { status: response.status, text, code: parseJson(ApiError, text)?.error.code, skew };
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return { status: 0, text: "", code: undefined, skew: 0 };
    } finally {
      clearTimeout(timer);
      aborter.abort();
    }
  };
}

async function firstPart(response: Response): Promise<string> {
  const part = await response.body?.getReader().read();
  return new TextDecoder().decode(part?.value);
}
