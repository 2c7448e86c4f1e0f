import { parseArgs } from "node:util";
import * as v from "valibot";
import type { Pairing } from "../runner/link.ts";
import { PairingError, signedRequest } from "../runner/pairing.ts";
import { DeviceInfo, parseJson } from "../types.ts";
import { visibleName } from "../visible-text.ts";
import { loadConfig } from "./config.ts";
import { findHome } from "./embedded.ts";
import { print, printJson } from "./say.ts";
import { UsageError } from "./usage.ts";
import { closest, wordNamed } from "./words.ts";

const List = v.object({ devices: v.array(DeviceInfo) });
const Revoked = v.object({ minted: v.array(v.object({ id: v.string(), name: v.string() })) });

/** `claude-remote devices [--json]`, `devices rename ID NAME`, `devices revoke ID…` and `devices admit ID`. */
export async function devices(given: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...given],
    allowPositionals: true,
    options: { json: { type: "boolean" } },
  });
  const [action = "list", ...ids] = positionals;
  const [id, ...rest] = ids;
  const fits =
    (action === "list" && id === undefined) ||
    (action === "rename" && rest.length > 0) ||
    (action === "revoke" && id !== undefined) ||
    (action === "admit" && id !== undefined && rest.length === 0);
  if (!fits) throw new UsageError(unknownAction(action)); // before a server is started for it
  const pairing = (await findHome(loadConfig()))?.pairing;
  if (pairing === undefined) throw new PairingError("This machine is not paired yet.");
  if (action === "revoke") return revoke(pairing, ids);
  const target = `/api/devices/${encodeURIComponent(id ?? "")}`;
  if (action === "admit") {
    await signedRequest(pairing, "POST", `${target}/admit`);
    print(`${id} is let in again.`);
    return 0;
  }
  if (action === "rename") {
    const name = rest.join(" ");
    await signedRequest(pairing, "PATCH", target, { name });
    print(`${id} is called ${visibleName(name)} now.`);
    return 0;
  }
  const list = parseJson(List, await signedRequest(pairing, "GET", "/api/devices"));
  if (list === undefined)
    throw new PairingError("The server's answer can't be read; is it of the same version?");
  if (values.json === true) {
    printJson(list);
    return 0;
  }
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

function unknownAction(action: string): string {
  const meant = closest(action, wordNamed("devices")?.actions?.map(({ name }) => name) ?? []);
  return `devices: list, rename ID NAME, revoke ID…, or admit ID${meant === undefined ? "" : `. Did you mean ${meant}?`}`;
}
