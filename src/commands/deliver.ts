import { parsePairing } from "../runner/pairing.ts";
import { deliverRest } from "../runner/rest.ts";
import { VERSION } from "../version.ts";
import { UsageError } from "./usage.ts";

/** `claude-remote deliver DIR`: for our own use, started where a session ended while the server was away. The pairing comes on stdin. */
export async function deliver(argv: readonly string[]): Promise<number> {
  const [dir] = argv;
  const pairing = parsePairing(await Bun.stdin.text());
  if (dir === undefined || pairing === undefined) throw new UsageError("deliver is for claude-remote's own use");
  await deliverRest(dir, pairing, VERSION);
  return 0;
}
