import { type Database, SQLiteError } from "bun:sqlite";
import {
  codeId,
  type DeviceKeys,
  type DeviceKind,
  deviceKeys,
  deviceSecret,
  NONCE_BYTES,
  pairRequestMac,
  pairResponseMac,
  randomNonce,
  sameMac,
  toBase64url,
} from "../auth.ts";
import type { AuditEntry, DeviceInfo, PairRequest } from "../types.ts";
import type { Room } from "./room.ts";

/** How long a pairing code can be used, in ms. */
export const CODE_LIFETIME_MS = 5 * 60_000;
/** A code that seems to have longer than it was given was made before the clock was set back, and is void; so much may be a clock that is merely trimmed, in ms. */
const TRIM_MS = 10_000;
/** `last_seen` is written at most this often, in ms. */
const SEEN_EVERY_MS = 60_000;
/** So many entries of the audit are read at once. */
const AUDIT_ENTRIES = 50;

/** A paired device as the server knows it. */
export interface Device {
  id: string;
  name: string;
  kind: DeviceKind;
  secret: Uint8Array;
  keys: DeviceKeys;
  /** Nobody used it for long: see `lockUnused`. */
  locked: boolean;
}

interface DeviceRow {
  id: string;
  name: string;
  kind: DeviceKind;
  secret: Uint8Array;
  created_at: number;
  last_seen: number | null;
  revoked_at: number | null;
  minted_by: string | null;
  admitted_at: number | null;
}

/** When a device was last used, or let in: what its lock-out is counted from, in unix ms. */
const usedAt = ({ created_at, last_seen, admitted_at }: DeviceRow) =>
  Math.max(created_at, last_seen ?? 0, admitted_at ?? 0);

/** All that a device has let in, by way of others too; some of those may have been revoked. */
const LET_IN = `WITH RECURSIVE let_in (id) AS (
  SELECT id FROM devices WHERE minted_by = ?1
  UNION SELECT d.id FROM devices d JOIN let_in ON d.minted_by = let_in.id
) SELECT id, name FROM devices WHERE id IN let_in AND id <> ?1 AND revoked_at IS NULL ORDER BY created_at`;

interface CodeRow {
  code: Uint8Array;
  kind: DeviceKind;
  minted_by: string | null;
  expires_at: number;
}

export type Devices = ReturnType<typeof openDevices>;

/** Pairing, the list of devices, and the audit of what they did. `now` is in unix ms; `small` sees to it that the audit is written (see `openRoom`). */
export function openDevices(
  db: Database,
  now: () => number = Date.now,
  small: Room["small"] = (write) => write(),
) {
  const byId = db.query<DeviceRow, [string]>("SELECT * FROM devices WHERE id = ?");
  const keyCache = new Map<string, DeviceKeys>();
  const lastSeen = new Map<string, number>();

  const note = (device: string | null, action: string, subject: string, detail = "") => {
    db.query(
      "INSERT INTO audit (at, device_id, action, subject, detail) VALUES (?, ?, ?, ?, ?)",
    ).run(now(), device, action, subject, detail);
  };
  const audit: typeof note = (...entry) => small(() => note(...entry));
  /** Devices that were not used since are locked out, in unix ms. */
  let unusedSince = 0;
  const isLocked = (row: DeviceRow) => row.revoked_at === null && usedAt(row) < unusedSince;

  /** The code that a request proves to know, unless it is too old. */
  const provenCode = (request: PairRequest): CodeRow | undefined => {
    const row = db
      .query<CodeRow, [string]>("SELECT * FROM pairing_codes WHERE code_id = ?")
      .get(request.code_id);
    const { kind, name, nonce } = request;
    const code = row?.code ?? new Uint8Array(NONCE_BYTES);
    if (!sameMac(request.mac, pairRequestMac(code, kind, name, nonce)) || row === null)
      return undefined;
    const left = row.expires_at - now();
    return left < 0 || left > CODE_LIFETIME_MS + TRIM_MS ? undefined : row;
  };

  return {
    audit,

    /** Locks out what was last used before `since`. Where `now` is certain, a later use was noted by a clock that was ahead, and counts from now. */
    lockUnused(since: number, now: number | undefined): void {
      unusedSince = since;
      if (now !== undefined)
        db.query("UPDATE devices SET last_seen = ?1 WHERE last_seen > ?1").run(now);
    },

    /** Lets a device in again that was locked out because nobody used it; false where it was not. */
    admit(id: string, by: string | undefined): boolean {
      const row = byId.get(id);
      if (row === null || !isLocked(row)) return false;
      db.query("UPDATE devices SET admitted_at = ? WHERE id = ?").run(
        Math.max(now(), unusedSince),
        id,
      );
      audit(by ?? null, "admit", id, row.name);
      return true;
    },

    /** What a device has let in and is not revoked, directly or by way of others. */
    letInBy: (id: string) => db.query<Pick<DeviceInfo, "id" | "name">, [string]>(LET_IN).all(id),

    /** A paired device that was not revoked. */
    find(id: string): Device | undefined {
      const row = byId.get(id);
      if (row === null || row.revoked_at !== null) return undefined;
      let keys = keyCache.get(id);
      if (keys === undefined) {
        keys = deviceKeys(row.secret);
        keyCache.set(id, keys);
      }
      const { name, kind, secret } = row;
      return { id, name, kind, secret, keys, locked: isLocked(row) };
    },

    /** Notes that a device was here; seldom written, as it happens with every request. */
    seen(id: string): void {
      const at = performance.now();
      if (at - (lastSeen.get(id) ?? Number.NEGATIVE_INFINITY) < SEEN_EVERY_MS) return;
      lastSeen.set(id, at);
      try {
        db.query("UPDATE devices SET last_seen = max(coalesce(last_seen, 0), ?) WHERE id = ?").run(
          now(),
          id,
        );
      } catch (error) {
        if (!(error instanceof SQLiteError)) throw error; // a full disk must not lock devices out
      }
    },

    isEmpty: () => db.query("SELECT 1 FROM devices LIMIT 1").get() === null,

    list(self: string): DeviceInfo[] {
      const rows = db
        .query<DeviceRow & { push: DeviceInfo["push"] }, []>(
          `SELECT d.*, CASE WHEN p.device_id IS NULL THEN 'off' WHEN p.status IS NULL OR p.status BETWEEN 200 AND 299 THEN 'on' ELSE 'failing' END AS push
           FROM devices d LEFT JOIN push_subscriptions p ON p.device_id = d.id ORDER BY d.created_at`,
        )
        .all();
      return rows.map((row) => {
        const { secret: _, admitted_at: __, last_seen: last_seen_at, ...rest } = row;
        return { ...rest, last_seen_at, self: row.id === self, locked: isLocked(row) };
      });
    },

    /** Makes a pairing code of 128 bits that works once, for five minutes. `by` is undefined on the server's own host. */
    mint(kind: DeviceKind, by: string | undefined): { code: string; expires: number } {
      const code = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
      const expires = now() + CODE_LIFETIME_MS;
      db.query("DELETE FROM pairing_codes WHERE expires_at < ?").run(now());
      db.query(
        "INSERT INTO pairing_codes (code_id, code, kind, minted_by, expires_at) VALUES (?, ?, ?, ?, ?)",
      ).run(codeId(code), code, kind, by ?? null, expires);
      audit(by ?? null, "mint", codeId(code), kind);
      return { code: toBase64url(code), expires };
    },

    /** For whom a code was made, where a request proves to know it and it still works. */
    codeKind: (request: PairRequest): DeviceKind | undefined => provenCode(request)?.kind,

    /** Turns a code into a device; undefined where the code is unknown, used, too old, for another kind, or the MAC is wrong. */
    pair(request: PairRequest) {
      return db.transaction(() => {
        const row = provenCode(request);
        if (row === undefined || (row.kind !== "machine" && row.kind !== request.kind))
          return undefined;
        db.query("DELETE FROM pairing_codes WHERE code_id = ?").run(request.code_id);
        const device = `dev_${randomNonce()}`;
        const nonce = randomNonce();
        const secret = deviceSecret(row.code, device, request.nonce, nonce);
        db.query(
          "INSERT INTO devices (id, name, kind, secret, created_at, minted_by) VALUES (?, ?, ?, ?, ?, ?)",
        ).run(device, request.name, request.kind, secret, now(), row.minted_by);
        note(device, "pair", device, `${request.kind} ${request.name}`);
        return {
          device,
          nonce,
          mac: toBase64url(pairResponseMac(row.code, device, request.nonce, nonce)),
        };
      })();
    },

    /** What was done before entry number `before`, newest first: so much at once, and of what was asked the beginning. */
    audited(before: number): AuditEntry[] {
      const part = (json: string, path: string) =>
        `CASE WHEN json_valid(${json}) THEN json_extract(${json}, '$.${path}') END`;
      return db
        .query<AuditEntry, [number]>(
          `SELECT a.id, a.at, a.device_id AS device, d.name, a.action, substr(coalesce(nullif(a.detail, ''), ${part("p.response", "decision")}, ''), 1, 200) AS detail,
             ${part("p.prompt_text", "tool")} || substr(coalesce(': ' || coalesce(${part("p.prompt_text", "input.command")}, ${part("p.prompt_text", "input.file_path")}), ''), 1, 200) AS about,
             coalesce(o.name, s.cwd) AS "on"
           FROM audit a LEFT JOIN devices d ON d.id = a.device_id LEFT JOIN prompts p ON p.id = a.subject
             LEFT JOIN devices o ON o.id = a.subject LEFT JOIN sessions s ON s.id = coalesce(p.session_id, a.subject)
           WHERE a.id < ? ORDER BY a.id DESC LIMIT ${AUDIT_ENTRIES}`,
        )
        .all(before);
    },

    rename(id: string, name: string, by: string): boolean {
      const changed =
        db.query("UPDATE devices SET name = ? WHERE id = ? AND revoked_at IS NULL").run(name, id)
          .changes > 0;
      if (changed) audit(by, "rename", id, name);
      return changed;
    },

    /** Locks a device out, with its push subscription and the codes that it minted and nobody has used. */
    revoke: db.transaction((id: string, by: string): boolean => {
      const changed =
        db
          .query("UPDATE devices SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL")
          .run(now(), id).changes > 0;
      if (!changed) return false;
      db.query("DELETE FROM pairing_codes WHERE minted_by = ?").run(id);
      db.query("DELETE FROM push_subscriptions WHERE device_id = ?").run(id);
      keyCache.delete(id);
      note(by, "revoke", id);
      return true;
    }),
  };
}
