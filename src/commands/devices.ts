import * as v from "valibot";
import type { Pairing } from "../runner/link.ts";
import { PairingError, signedRequest } from "../runner/pairing.ts";
import { DeviceInfo, parseJson } from "../types.ts";
import { visibleName } from "../visible-text.ts";
import { loadConfig } from "./config.ts";
import { findHome } from "./embedded.ts";
import { print } from "./say.ts";
import { UsageError } from "./usage.ts";

const List = v.object({ devices: v.array(DeviceInfo) });
const Revoked = v.object({ minted: v.array(v.object({ id: v.string(), name: v.string() })) });

/** `claude-remote devices`, `devices revoke ID…` and `devices admit ID`. */
export async function devices(argv: readonly string[]): Promise<number> {
  const pairing = (await findHome(loadConfig()))?.pairing;
  if (pairing === undefined) throw new PairingError("This machine is not paired yet.");
  const [action, ...ids] = argv;
  const [id] = ids;
  if (action === "revoke" && id !== undefined) return revoke(pairing, ids);
  if (action === "admit" && id !== undefined && ids.length === 1) {
    await signedRequest(pairing, "POST", `/api/devices/${encodeURIComponent(id)}/admit`);
    print(`${id} is let in again.`);
    return 0;
  }
  if ((action !== undefined && action !== "list") || ids.length > 0)
    throw new UsageError("devices: list, revoke ID…, or admit ID");
  const list = parseJson(List, await signedRequest(pairing, "GET", "/api/devices"));
  if (list === undefined)
    throw new PairingError("The server's answer can't be read; is it of the same version?");
  for (const device of list.devices) {
    const state =
      device.revoked_at !== null
        ? "revoked"
        : device.locked
          ? "not used for long: locked out"
          : device.self
            ? "this machine"
            : device.last_seen_at === null
              ? "never seen"
              : `seen ${new Date(device.last_seen_at).toLocaleString()}`;
    print(
      `${visibleName(device.id)}  ${device.kind.padEnd(7)}  ${visibleName(device.name)}  (${state})`,
    );
  }
  return 0;
}

/** Locks devices out, and names all that these had let in, also by way of others. */
async function revoke(pairing: Pairing, ids: readonly string[]): Promise<number> {
  const letIn = new Map<string, string>();
  for (const id of ids) {
    const target = `/api/devices/${encodeURIComponent(id)}`;
    const answer = parseJson(Revoked, await signedRequest(pairing, "DELETE", target));
    const own = id === pairing.device;
    print(
      `${id} is locked out.${own ? " That is this machine: `claude-remote pair` lets it in again." : ""}`,
    );
    for (const other of answer?.minted ?? []) letIn.set(other.id, other.name);
  }
  for (const id of ids) letIn.delete(id);
  for (const [id, name] of letIn) print(`It had let in ${visibleName(name)} (${visibleName(id)})`);
  if (letIn.size > 0)
    print(
      `To lock these out too: claude-remote devices revoke ${[...letIn.keys()].map(visibleName).join(" ")}`,
    );
  return 0;
}
