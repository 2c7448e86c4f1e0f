import type { Database } from "bun:sqlite";
import * as v from "valibot";
import { generateVAPIDKeys } from "web-push";
import {
  PUSH_KINDS,
  type PushKind,
  type PushMessage,
  type PushState,
  parseJson,
  type SubscriptionRequest,
} from "../types.ts";
import { describeError, type Log } from "./log.ts";
import { areKeys, isAllowed, type Postage, postPush, type Vapid } from "./push-service.ts";

/** So many messages travel at once, one to each device, so that they arrive in order; and so many may wait. */
const AT_ONCE = 8;
const WAITING = 500;
/** A push service that did not answer, or was busy, is tried again after these pauses, in ms. */
const RETRY_MS = [2000, 20_000];
/** A test that the phone did not get at once is of no use, in seconds. */
const TEST_TTL_S = 60;

const Off = v.array(v.picklist(PUSH_KINDS));
const Keys = v.object({ publicKey: v.string(), privateKey: v.string() });

/** A device that wants notifications, and what its owner chose. */
export interface Subscription extends SubscriptionRequest {
  device: string;
}

interface Row {
  device_id: string;
  endpoint: string;
  p256dh: string;
  auth: string;
  off: string;
  approve: number;
}

interface Item {
  device: string;
  message: PushMessage;
  postage: Postage;
}

/** Runs `act` after so many ms, unless the function that it gives is called before. */
export type Later = (ms: number, act: () => void) => () => void;

export interface PushOptions {
  /** Whom push services can turn to; without it nothing is sent. */
  subject: string | undefined;
  /** Push services that are allowed instead of the browsers' own. */
  services: string | undefined;
  /** Whether a device may be told anything. */
  mayHear(device: string): boolean;
  later: Later;
  log: Log;
}

export type Push = ReturnType<typeof openPush>;

/** Notifications to devices: who wants which, and their way to the push services. Nothing of the hub waits for them. */
export function openPush(db: Database, { subject, services, mayHear, later, log }: PushOptions) {
  const keys = serverKeys(db);
  const waiting: Item[] = [];
  const busy = new Set<string>();
  const pauses = new Set<() => void>();
  let closed = false;

  const toSubscription = ({
    device_id,
    endpoint,
    p256dh,
    auth,
    off,
    approve,
  }: Row): Subscription => ({
    device: device_id,
    endpoint,
    keys: { p256dh, auth },
    off: parseJson(Off, off) ?? [],
    approve: approve === 1,
  });
  const find = (device: string): Subscription | undefined => {
    const row = db
      .query<Row, [string]>("SELECT * FROM push_subscriptions WHERE device_id = ?")
      .get(device);
    return row === null ? undefined : toSubscription(row);
  };
  const refusal = (endpoint: string): string | undefined => {
    if (subject === undefined)
      return "The server has nobody to name to push services: give it an https public_url, or a push_contact such as mailto:you@example.com (docs/configuration.md).";
    if (!isAllowed(endpoint, services))
      return "This browser's push service is not one that the server knows: push_services in its configuration can name it.";
    return undefined;
  };

  /** Posts one message, notes what the service said, and forgets a subscription that it no longer knows. */
  const post = async (
    device: string,
    message: PushMessage,
    postage: Postage,
  ): Promise<{ status: number; body: string } | undefined> => {
    const subscription = find(device); // as it is now: it may have been revoked
    if (
      subscription === undefined ||
      !mayHear(device) ||
      subject === undefined ||
      !isAllowed(subscription.endpoint, services)
    )
      return undefined;
    const vapid: Vapid = { subject, ...keys };
    const answer = await postPush(subscription, JSON.stringify(message), postage, vapid);
    if (closed) return answer;
    if (answer.status === 404 || answer.status === 410) {
      db.query("DELETE FROM push_subscriptions WHERE device_id = ? AND endpoint = ?").run(
        device,
        subscription.endpoint,
      );
    } else
      db.query("UPDATE push_subscriptions SET status = ? WHERE device_id = ? AND endpoint = ?").run(
        answer.status,
        device,
        subscription.endpoint,
      );
    return answer;
  };

  const replaced = ({ device, message }: Item) =>
    waiting.some((other) => other.device === device && other.message.tag === message.tag);

  const deliver = async (item: Item): Promise<void> => {
    for (const pause of [...RETRY_MS, undefined]) {
      const answer = await post(item.device, item.message, item.postage);
      if (closed || answer === undefined || (answer.status >= 200 && answer.status < 300)) return;
      const passing = answer.status === 0 || answer.status === 429 || answer.status >= 500;
      if (pause === undefined || !passing)
        return log("warn", "push_failed", { device: item.device, status: answer.status });
      await new Promise<void>((resolve) => {
        const end = () => {
          cancel();
          pauses.delete(end);
          resolve();
        };
        const cancel = later(pause, end);
        pauses.add(end);
      });
      if (closed || replaced(item)) return;
    }
  };

  /** Sends what waits, oldest first, one at a time to each device. */
  const pump = () => {
    while (!closed && busy.size < AT_ONCE) {
      const at = waiting.findIndex(({ device }) => !busy.has(device));
      const [item] = at < 0 ? [] : waiting.splice(at, 1);
      if (item === undefined) return;
      busy.add(item.device);
      deliver(item)
        .catch((error: unknown) =>
          log("error", "push_failed", { device: item.device, error: describeError(error) }),
        )
        .finally(() => {
          busy.delete(item.device);
          pump();
        });
    }
  };

  return {
    /** How it stands with a device. */
    state(device: string): PushState {
      const known = find(device);
      const trouble =
        subject === undefined || known !== undefined ? refusal(known?.endpoint ?? "") : undefined;
      return {
        key: keys.publicKey,
        endpoint: known?.endpoint ?? null,
        off: known?.off ?? [],
        approve: known?.approve ?? false,
        ...(trouble === undefined ? {} : { trouble }),
      };
    },

    /** Takes a device's subscription, or a change of it; the answer is why not. */
    subscribe(
      device: string,
      { endpoint, keys: { p256dh, auth }, off, approve }: SubscriptionRequest,
    ): string | undefined {
      const trouble =
        refusal(endpoint) ??
        (areKeys({ p256dh, auth }) ? undefined : "This browser's keys are no keys.");
      if (trouble !== undefined) return trouble;
      db.transaction(() => {
        // one browser that was paired anew is told everything once
        db.query("DELETE FROM push_subscriptions WHERE device_id = ? OR endpoint = ?").run(
          device,
          endpoint,
        );
        db.query(
          "INSERT INTO push_subscriptions (device_id, endpoint, p256dh, auth, off, approve) VALUES (?, ?, ?, ?, ?, ?)",
        ).run(device, endpoint, p256dh, auth, JSON.stringify([...new Set(off)]), approve ? 1 : 0);
      })();
      return undefined;
    },

    unsubscribe(device: string): void {
      db.query("DELETE FROM push_subscriptions WHERE device_id = ?").run(device);
    },

    /** Sends a message of a kind to whoever wants it but `except`; what still waits for a device under the same tag is replaced. */
    send(
      kind: PushKind,
      postage: Postage,
      make: (to: Subscription) => PushMessage,
      except?: string,
    ): void {
      if (subject === undefined) return;
      for (const row of db.query<Row, []>("SELECT * FROM push_subscriptions").all()) {
        const to = toSubscription(row);
        if (to.device === except || to.off.includes(kind) || !mayHear(to.device)) continue;
        const item = { device: to.device, message: make(to), postage };
        const stale = waiting.findIndex(
          ({ device, message }) => device === item.device && message.tag === item.message.tag,
        );
        if (stale >= 0) waiting.splice(stale, 1);
        waiting.push(item);
        if (waiting.length > WAITING) waiting.shift();
      }
      pump();
    },

    /** Sends a test to a device; the answer is the push service's own, or undefined where there is no subscription. */
    test: (device: string) =>
      post(
        device,
        {
          kind: "test",
          tag: "test",
          title: "Notifications work",
          body: "This is what claude-remote sounds like here.",
          hash: "#/devices",
          silent: false,
          waiting: 0,
          actions: [],
        },
        { topic: "test", ttl: TEST_TTL_S, urgency: "high" },
      ),

    close(): void {
      closed = true;
      for (const end of pauses) end();
    },
  };
}

/** The server's own pair of keys, by which push services know it; made once. */
function serverKeys(db: Database): { publicKey: string; privateKey: string } {
  const stored = db
    .query<{ value: string }, []>("SELECT value FROM server_keys WHERE name = 'vapid'")
    .get();
  const known = stored === null ? undefined : parseJson(Keys, stored.value);
  if (known !== undefined) return known;
  const made = generateVAPIDKeys();
  db.query("INSERT OR REPLACE INTO server_keys (name, value) VALUES ('vapid', ?)").run(
    JSON.stringify(made),
  );
  return made;
}
