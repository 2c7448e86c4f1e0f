import { lookup } from "node:dns/promises";
import { BlockList, isIP } from "node:net";
import { OptionError } from "./origins.ts";

/** Names of proxies are looked up at most this often, in ms. */
const LOOK_UP_MS = 10_000;

/** Tells by which address a client is known. */
export type Clients = (peer: string, forwarded: string | null) => Promise<string>;

const family = (address: string) => (isIP(address) === 6 ? "ipv6" : "ipv4");

/**
 * Who is at the other end: the peer of the connection, unless that is a proxy on the list; then the last address in
 * X-Forwarded-For that is none of them, as all before it is whatever the client wrote. `trusted` has addresses, networks
 * such as 10.1.0.0/16, and names, separated by spaces or commas. Throws an `OptionError`.
 */
export function openClients(
  trusted = "",
  find: (name: string) => Promise<string[]> = resolve,
): Clients {
  const known = new BlockList();
  const names: string[] = [];
  for (const entry of trusted.split(/[\s,]+/).filter((part) => part !== "")) {
    const [address = "", prefix, ...more] = entry.split("/");
    if (isIP(address) === 0) {
      if (prefix !== undefined || !/^[a-z][a-z0-9.-]*$/i.test(address)) throw wrong(entry);
      names.push(address);
    } else if (prefix === undefined) known.addAddress(address, family(address));
    else if (
      !/^\d{1,3}$/.test(prefix) ||
      more.length > 0 ||
      Number(prefix) > (isIP(address) === 6 ? 128 : 32)
    )
      throw wrong(entry);
    else known.addSubnet(address, Number(prefix), family(address));
  }
  let looked = Number.NEGATIVE_INFINITY;
  let named: string[] = [];
  const isProxy = (address: string) =>
    isIP(address) > 0 && (known.check(address, family(address)) || named.includes(address));

  return async (peer, forwarded) => {
    if (forwarded === null || trusted === "") return peer;
    if (
      names.length > 0 &&
      !known.check(peer, family(peer)) &&
      performance.now() - looked > LOOK_UP_MS
    ) {
      looked = performance.now();
      named = (await Promise.all(names.map(find))).flat();
    }
    let address = peer.replace(/^::ffff:(?=\d+\.)/, "");
    for (const hop of forwarded.split(",").reverse()) {
      if (!isProxy(address)) break;
      const next = hop.trim().replace(/^\[(.*)\](?::\d+)?$|^([\d.]+):\d+$/, "$1$2"); // some write the port too
      if (isIP(next) === 0) break;
      address = next;
    }
    return address;
  };
}

/** The addresses of a name; none where nobody has it, such as a container that does not run. */
async function resolve(name: string): Promise<string[]> {
  try {
    return (await lookup(name, { all: true })).map(({ address }) => address);
  } catch (error) {
    if (error instanceof Error) return [];
    throw error;
  }
}

const wrong = (entry: string) =>
  new OptionError(
    `trusted_proxies: ${entry} is neither an address, nor a network such as 10.1.0.0/16, nor a name`,
  );
