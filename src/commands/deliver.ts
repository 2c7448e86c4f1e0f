import { takeLock } from "../hub/seat.ts";
import { addressOf, loadPairing } from "../runner/pairing.ts";
import { deliver } from "../runner/rest.ts";
import { pairingPath, undeliveredDir } from "./places.ts";

/** `claude-remote __deliver DIR …`, for our own use: what sessions left that ended while the server was away. */
export const deliverRest = (argv: readonly string[]) =>
  deliver(argv, {
    known: () => loadPairing(pairingPath()),
    address: (pairing) => addressOf(pairingPath(), pairing),
    folder: undeliveredDir(),
    lock: takeLock,
  });
