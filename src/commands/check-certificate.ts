import { connect } from "node:tls";
import { isLoopback } from "../hub/origins.ts";
import { authorityToSet } from "../runner/uplink/network-error.ts";
import { type Finding, fails, ok, warning } from "./finding.ts";

/** A certificate that ends within so many days, or has but a quarter of its life left (some live for hours), was not renewed as it should have been. */
const SOON_DAYS = 14;
const DAY_MS = 86_400_000;
/** How long a handshake may take, in ms. */
const HANDSHAKE_MS = 5000;

/** Whether the way to the server is encrypted, for its right name, and for how long. Nothing where it can't be reached: others say that. */
export async function checkCertificate(origin: string): Promise<Finding | undefined> {
  const name = "certificate";
  const { protocol, hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, "");
  if (protocol === "http:") {
    return isLoopback(host)
      ? undefined
      : warning(
          name,
          "none: whoever is on that network can read along and replace the page",
          "prefer HTTPS (docs/deploy.md)",
        );
  }
  const found = await shown(host, Number(port || 443));
  return found === undefined ? undefined : judge(host, found);
}

interface Shown {
  /** In unix ms. */
  from: number;
  until: number;
  /** Why it is not trusted. */
  trouble: string | undefined;
}

/** What is to be said of a certificate. */
export function judge(host: string, { from, until, trouble: why }: Shown): Finding {
  const name = "certificate";
  const left = until - Date.now();
  const date = `until ${new Date(until).toISOString().slice(0, 16).replace("T", " ")} UTC`;
  if (left < 0)
    return fails(
      name,
      `it has ended (${date})`,
      "renew it; Caddy and Tailscale do so by themselves",
    );
  if (why?.includes("ALTNAME") === true)
    return fails(
      name,
      `it is not for the name ${host}`,
      "have it made for that name, or pair by the name that it has",
    );
  if (why !== undefined) return fails(name, `it is not trusted here (${why})`, authorityToSet());
  const text = `for ${host}, ${left < 2 * DAY_MS ? `${Math.floor(left / 3_600_000)} hours` : `${Math.floor(left / DAY_MS)} days`} left (${date})`;
  return left < Math.min(SOON_DAYS * DAY_MS, (until - from) / 4)
    ? warning(name, text, "see that it is renewed")
    : ok(name, text);
}

function shown(host: string, port: number): Promise<Shown | undefined> {
  return new Promise((resolve) => {
    const name = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
    const socket = connect(
      { host, port, ...name, rejectUnauthorized: false, timeout: HANDSHAKE_MS },
      () => {
        const { valid_from, valid_to } = socket.getPeerCertificate();
        const trouble = socket.authorized
          ? undefined
          : String(socket.authorizationError ?? "unknown");
        socket.destroy();
        resolve({ from: Date.parse(valid_from), until: Date.parse(valid_to), trouble });
      },
    );
    for (const event of ["error", "timeout", "close"] as const) {
      socket.once(event, () => {
        socket.destroy();
        resolve(undefined);
      });
    }
  });
}
