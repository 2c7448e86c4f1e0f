import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "../../src/server.ts";
import { pairDevice } from "../support/phone.ts";
import { startWire } from "./wire.ts";

/** A server behind a network that can fail, with a machine and a phone that it knows. */
export async function openHouse() {
  const dir = mkdtempSync(join(tmpdir(), "faults-"));
  const wire = startWire();
  const origin = `http://127.0.0.1:${wire.port}`;
  const log: string[] = [];
  const start = () =>
    startServer({
      host: "127.0.0.1",
      port: 0,
      publicUrl: origin,
      data: join(dir, "data"),
      insecureLan: false,
      log: (line) => void log.push(line),
    });
  let server = await start();
  wire.target = server.port;
  const machine = await pairDevice(server.pairingLink(), "machine", "laptop");
  const phone = await pairDevice(await machine.mint("viewer"), "viewer", "phone");
  return {
    ...{ dir, wire, origin, log, machine, phone },
    /** Another server goes on with the same data. */
    async restart(): Promise<void> {
      await server.stop();
      server = await start();
      wire.target = server.port;
    },
    async close(): Promise<void> {
      wire.stop();
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
export type House = Awaited<ReturnType<typeof openHouse>>;
