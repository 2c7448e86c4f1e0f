import { BlockList, isIP } from "node:net";
import { networkInterfaces } from "node:os";

/** What Claude Code itself needs: the API, and the two places where an account logs in. */
const ALWAYS = ["api.anthropic.com", "claude.ai", "platform.claude.com", "console.anthropic.com"];
/** HTTPS, where an entry names no port. */
const DEFAULT_PORT = 443;

/** A place outside that a sandboxed session may reach, by its exact name. */
export interface Place {
  host: string;
  port: number;
  /** Named with its port by a person: this may be this machine or its own network. */
  near: boolean;
}

/** What may be reached: Claude's own places, and those that a person listed (`HOST` or `HOST:PORT`). Throws an `Error` that names a mistake. */
export function allowList(listed: readonly string[]): Place[] {
  return [...ALWAYS, ...listed].map((entry) => {
    const [, host = "", port] =
      /^([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?::(\d{1,5}))?$/i.exec(entry) ?? [];
    if (host === "" || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535)
      throw new Error(
        `${entry} is no place that a sandbox can be let out to: give HOST or HOST:PORT, such as registry.npmjs.org`,
      );
    return {
      host: host.toLowerCase(),
      port: Number(port ?? DEFAULT_PORT),
      near: port !== undefined,
    };
  });
}

/** A place as `--sandbox-host` takes it. */
export const placeName = (host: string, port: number) =>
  port === DEFAULT_PORT ? host.toLowerCase() : `${host.toLowerCase()}:${port}`;

/** The entry for a place, compared exactly; a name in another spelling (a dot at its end, a number for an address) is another name. */
export function findPlace(list: readonly Place[], host: string, port: number): Place | undefined {
  const same = list.filter((place) => place.host === host.toLowerCase() && place.port === port);
  return same.find(({ near }) => near) ?? same[0];
}

const NOT_PUBLIC = new BlockList();
for (const [net, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const)
  NOT_PUBLIC.addSubnet(net, prefix, "ipv4");
/** Of IPv6 only what is given out to the public is, and of that not what carries an IPv4 address (Teredo, 6to4). */
const PUBLIC = new BlockList();
PUBLIC.addSubnet("2000::", 3, "ipv6");
const CARRIERS = new BlockList();
CARRIERS.addSubnet("2001::", 32, "ipv6");
CARRIERS.addSubnet("2002::", 16, "ipv6");

/** Whether an address belongs to the internet at large: not to this machine, its networks, or nobody. What this machine has now counts too: a server's own address, and IPv6 at home, are given out to the public. */
export function isPublic(address: string, interfaces = networkInterfaces()): boolean {
  const family = isIP(address);
  if (family === 0 || isOwn(address, interfaces)) return false;
  if (family === 4) return !NOT_PUBLIC.check(address, "ipv4");
  return family === 6 && PUBLIC.check(address, "ipv6") && !CARRIERS.check(address, "ipv6");
}

/** Whether an address is one of this machine's own, or lies in a network that it is part of. */
function isOwn(address: string, interfaces: ReturnType<typeof networkInterfaces>): boolean {
  const own = new BlockList();
  for (const { address, cidr, family } of Object.values(interfaces).flatMap((all) => all ?? [])) {
    const kind = family === "IPv4" ? "ipv4" : "ipv6";
    own.addAddress(address, kind);
    const [net = "", prefix = ""] = cidr?.split("/") ?? [];
    if (prefix !== "") own.addSubnet(net, Number(prefix), kind);
  }
  return own.check(address, isIP(address) === 4 ? "ipv4" : "ipv6");
}
