import { parseArgs } from "node:util";
import * as v from "valibot";
import { PairingError, signedRequest } from "../runner/pairing.ts";
import { DeviceInfo, parseJson } from "../types.ts";
import { visibleName } from "../visible-text.ts";
import { loadConfig } from "./config.ts";
import { findHome } from "./embedded.ts";
import { UsageError } from "./usage.ts";
import { closest, wordNamed } from "./words.ts";

const List = v.object({ devices: v.array(DeviceInfo) });
const Revoked = v.object({ minted: v.array(v.object({ id: v.string(), name: v.string() })) });

/** `claude-remote devices [--json]`, `devices rename ID NAME` and `devices revoke ID`. */
export async function devices(given: readonly string[]): Promise<number> {
  const { values, positionals: argv } = parseArgs({
    args: [...given],
    allowPositionals: true,
    options: { json: { type: "boolean" } },
  });
  const [action = "list", id, ...rest] = argv;
  const fits =
    (action === "list" && id === undefined) ||
    (action === "rename" && id !== undefined && rest.length > 0) ||
    (action === "revoke" && id !== undefined && rest.length === 0);
  if (!fits) throw new UsageError(unknownAction(action)); // before a server is started for it
  const pairing = (await findHome(loadConfig()))?.pairing;
  if (pairing === undefined) throw new PairingError("This machine is not paired yet.");
  if (action === "revoke" && id !== undefined) {
    const answer = parseJson(
      Revoked,
      await signedRequest(pairing, "DELETE", `/api/devices/${encodeURIComponent(id)}`),
    );
    process.stdout.write(
      `${id} is locked out.${id === pairing.device ? " That is this machine: `claude-remote pair` lets it in again." : ""}\n`,
    );
    for (const other of answer?.minted ?? [])
      process.stdout.write(
        `It had let in ${visibleName(other.name)}: claude-remote devices revoke ${other.id}\n`,
      );
    return 0;
  }
  if (action === "rename" && id !== undefined && rest.length > 0) {
    const name = rest.join(" ");
    await signedRequest(pairing, "PATCH", `/api/devices/${encodeURIComponent(id)}`, { name });
    process.stdout.write(`${id} is called ${visibleName(name)} now.\n`);
    return 0;
  }
  const list = parseJson(List, await signedRequest(pairing, "GET", "/api/devices"));
  if (list === undefined)
    throw new PairingError("The server's answer can't be read; is it of the same version?");
  if (values.json === true) {
    process.stdout.write(`${JSON.stringify(list)}\n`);
    return 0;
  }
  for (const device of list.devices) {
    const state =
      device.revoked_at !== null
        ? "revoked"
        : device.self
          ? "this machine"
          : device.last_seen_at === null
            ? "never seen"
            : `seen ${new Date(device.last_seen_at).toLocaleString()}`;
    process.stdout.write(
      `${device.id}  ${device.kind.padEnd(7)}  ${visibleName(device.name)}  (${state})\n`,
    );
  }
  return 0;
}

function unknownAction(action: string): string {
  const meant = closest(action, wordNamed("devices")?.actions?.map(({ name }) => name) ?? []);
  return `devices: list, rename ID NAME, or revoke ID${meant === undefined ? "" : `. Did you mean ${meant}?`}`;
}
