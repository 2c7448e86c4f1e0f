import { join } from "node:path";

/** Makes a certificate of one's own, for loopback unless named, as somebody without a domain does. */
export function makeCertificate(
  folder: string,
  names = "DNS:localhost,IP:127.0.0.1",
): { cert: string; key: string } {
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const options = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=${names}`;
  const made = Bun.spawnSync(["openssl", ...options.split(" "), "-keyout", key, "-out", cert]);
  if (!made.success) throw new Error(`openssl made no certificate: ${made.stderr}`);
  return { cert, key };
}
