import { connect } from "node:tls";
import { isLoopback } from "../hub/origins.ts";
import { type Finding, fails, ok, warning } from "./finding.ts";

/** A certificate that ends within so many days was not renewed as it should have been. */
const SOON_DAYS = 14;
/** How long a handshake may take, in ms. */
const HANDSHAKE_MS = 5000;

/** Whether the way to the server is encrypted, for its right name, and for how long. Nothing where it can't be reached: others say that. */
export async function checkCertificate(origin: string): Promise<Finding | undefined> {
  const name = "certificate";
  const { protocol, hostname, port } = new URL(origin);
  const host = hostname.replace(/^\[|\]$/g, "");
  if (protocol === "http:") {
    return isLoopback(host) ? undefined : warning(name, "none: whoever is on that network can read along and replace the page", "prefer HTTPS (docs/deploy.md)");
  }
  const found = await shown(host, Number(port || 443));
  if (found === undefined) return undefined;
  const days = Math.floor((found.until - Date.now()) / 86_400_000);
  const until = `until ${new Date(found.until).toISOString().slice(0, 10)}`;
  const why = found.trouble;
  if (days < 0) return fails(name, `it ended ${-days} days ago`, "renew it; Caddy and Tailscale do so by themselves");
  if (why?.includes("ALTNAME") === true) return fails(name, `it is not for the name ${host}`, "have it made for that name, or pair by the name that it has");
  if (why !== undefined)
    return fails(name, `it is not trusted here (${why})`, "for an own CA set NODE_EXTRA_CA_CERTS to its root certificate, and install that on phones");
  if (days < SOON_DAYS) return warning(name, `for ${host}, ${days} days left (${until})`, "see that it is renewed");
  return ok(name, `for ${host}, ${days} days left (${until})`);
}

function shown(host: string, port: number): Promise<{ until: number; trouble: string | undefined } | undefined> {
  return new Promise((resolve) => {
    const name = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
    const socket = connect({ host, port, ...name, rejectUnauthorized: false, timeout: HANDSHAKE_MS }, () => {
      const until = Date.parse(socket.getPeerCertificate().valid_to);
      const trouble = socket.authorized ? undefined : String(socket.authorizationError ?? "unknown");
      socket.destroy();
      resolve({ until, trouble });
    });
    for (const event of ["error", "timeout", "close"] as const) {
      socket.once(event, () => {
        socket.destroy();
        resolve(undefined);
      });
    }
  });
}
