import { existsSync } from "node:fs";

/** Why a request got no answer, in words that name what to change: the proxy, the certificate, the name or the network. */
export function networkCause(error: unknown, url: string): string {
  if (!(error instanceof Error)) return String(error);
  const { hostname, origin, protocol } = new URL(url);
  const code = "code" in error ? String(error.code) : error.name;
  const proxy = proxyFor(url);
  if (code === "ERR_PROXY_TUNNEL")
    return `the proxy ${proxy?.shown ?? ""} refuses to connect: ${error.message}`;
  if (proxy !== undefined && UNREACHED.has(code))
    return `the proxy ${proxy.shown} (${proxy.variable}) can't be reached: correct it, or name ${hostname} in NO_PROXY`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return `its certificate is not for the name ${hostname}: use the name that it has`;
  if (code === "CERT_HAS_EXPIRED") return "its certificate has expired: renew it";
  if (/CERT|SIGNATURE|ISSUER/.test(code))
    return `its certificate is not trusted here (${code}): ${authorityToSet()}`;
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `the name ${hostname} is not known here: is it right, and is the network (VPN, Tailscale) up?`;
    case "ECONNREFUSED":
      return `nothing listens at ${origin}: is the server running?`;
    case "ENETUNREACH":
    case "EHOSTUNREACH":
      return `there is no way to ${hostname}: is the network up?`;
    case "TimeoutError":
    case "AbortError":
    case "ETIMEDOUT":
      return `${hostname} does not answer: a firewall, or another network?`;
    case "EPROTO":
      return `${origin} does not speak TLS: is its address http://?`;
    case "ECONNRESET":
      return protocol === "http:"
        ? `${origin} hung up: is its address https://?`
        : `${origin} hung up`;
    case "UnexpectedRedirect":
      return `${origin} leads elsewhere: is that a claude-remote server?`;
    default:
      return error.message;
  }
}

const UNREACHED = new Set([
  "ENOTFOUND",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ENETUNREACH",
  "EHOSTUNREACH",
  "ETIMEDOUT",
  "TimeoutError",
]);

/** What to do about a certificate that nobody here vouches for. */
export function authorityToSet(): string {
  const { NODE_EXTRA_CA_CERTS: file = "" } = process.env;
  if (file !== "" && !existsSync(file))
    return `NODE_EXTRA_CA_CERTS names ${file}, which does not exist`;
  return "for an own CA set NODE_EXTRA_CA_CERTS to its root certificate, and install that on phones";
}

/** The proxy that `fetch` takes for an address, without its login, and the variable that names it. */
function proxyFor(url: string): { shown: string; variable: string } | undefined {
  const { hostname, protocol } = new URL(url);
  const name = protocol === "https:" ? "https_proxy" : "http_proxy";
  const variable = [name, name.toUpperCase()].find((one) => (process.env[one] ?? "") !== "");
  const proxy = variable === undefined ? undefined : process.env[variable];
  if (variable === undefined || proxy === undefined || isNear(hostname)) return undefined;
  const direct = (process.env.no_proxy ?? process.env.NO_PROXY ?? "")
    .split(/[\s,]+/)
    .some(
      (one) => one === "*" || (one !== "" && `.${hostname}`.endsWith(`.${one.replace(/^\./, "")}`)),
    );
  if (direct) return undefined;
  return { variable, shown: URL.canParse(proxy) ? new URL(proxy).origin : "that it names" };
}

/** Whether an address is this machine's own: such a request is sent through no proxy. */
export const isNear = (hostname: string) => /^(127\.|localhost$|\[::1\]$)/.test(hostname);
