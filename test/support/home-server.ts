import { join } from "node:path";
import { toBase64url } from "../../src/auth.ts";
import { savePairing } from "../../src/runner/pairing.ts";
import { emptyHome, SELF } from "./home.ts";
import { type Phone, pairDevice } from "./phone.ts";
import { until } from "./until.ts";

/** A server as its own process, with a phone and this machine paired. */
export interface HomeServer {
  home: ReturnType<typeof emptyHome>;
  origin: string;
  port: number;
  phone: Phone;
  /** This machine, as it is paired. */
  machine: Phone;
  log(): string;
  process(): Bun.Subprocess;
  /** Ends the process, by default without a word, and starts it again on the same port and data. */
  restart(signal?: NodeJS.Signals, whileDown?: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

/** `publicPort`: where runners find it instead, such as a proxy that can be cut. */
export async function startHomeServer(
  options: { publicPort?: number; args?: string[]; env?: Record<string, string>; ca?: string } = {},
): Promise<HomeServer> {
  const home = emptyHome();
  Object.assign(home.env, options.env);
  let log = "";
  let port = 0;
  const publicUrl =
    options.publicPort === undefined
      ? []
      : ["--public-url", `http://127.0.0.1:${options.publicPort}`];
  const start = () => {
    const child = Bun.spawn(
      [
        ...SELF,
        "server",
        "--port",
        String(port),
        "--data",
        join(home.dir, "data"),
        ...publicUrl,
        ...(options.args ?? []),
      ],
      {
        env: home.env,
        stdin: "ignore",
        stdout: "ignore",
        stderr: "pipe",
      },
    );
    void (async () => {
      for await (const chunk of child.stderr) log += new TextDecoder().decode(chunk);
    })();
    return child;
  };
  let child = start();
  const origin = await until("the server is up", () => /listens on (\S+)/.exec(log)?.[1], 20_000);
  port = Number(new URL(origin).port);
  const code = await until("the server prints a link", () => /#pair=\S+/.exec(log)?.[0]);
  const link = `${origin}/${code}`;
  const machine = await pairDevice(link, "machine", "test machine", options.ca);
  savePairing(join(home.dir, ".config/claude-remote/pairing.json"), {
    server: publicUrl[1] ?? origin,
    device: machine.device,
    secret: toBase64url(machine.secret),
  });
  const phone = await pairDevice(
    `${origin}/${new URL(await machine.mint("viewer")).hash}`,
    "viewer",
    "test phone",
    options.ca,
  );
  return {
    home,
    origin,
    port,
    phone,
    machine,
    log: () => log,
    process: () => child,
    async restart(signal = "SIGKILL", whileDown = async () => undefined) {
      child.kill(signal);
      await child.exited;
      await whileDown();
      log = "";
      child = start();
      await until("the server is up again", () => log.includes("listens on"), 20_000);
    },
    async stop() {
      child.kill("SIGKILL");
      await child.exited;
      home.remove();
    },
  };
}
