import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { isLoopback, OptionError } from "./origins.ts";

/** Where a certificate and its key lie. */
export interface CertificateFiles {
  cert: string;
  key: string;
}

/** A certificate as it was read. */
export interface Certificate {
  /** PEM, the whole chain. */
  cert: string;
  key: string;
  /** The names and addresses by which others than this machine may find the server. */
  names: string[];
  /** In unix ms. */
  until: number;
}

/** Reads a certificate with its key. Throws an `OptionError`, or the system's error where a file can't be read. */
export function readCertificate(files: CertificateFiles): Certificate {
  const [cert, key] = [readFileSync(files.cert, "utf8"), readFileSync(files.key, "utf8")];
  const parsed = parse(`--tls-cert ${files.cert}`, () => new X509Certificate(cert));
  const secret = parse(`--tls-key ${files.key}`, () => createPrivateKey(key));
  if (!parsed.checkPrivateKey(secret))
    throw new OptionError(`--tls-key ${files.key} is not the key of --tls-cert ${files.cert}`);
  return { cert, key, names: namesOf(parsed), until: Date.parse(parsed.validTo) };
}

function parse<T>(name: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new OptionError(`${name} can't be read as PEM without a password: ${error.message}`);
  }
}

/** A name before an address; a wildcard names no host. */
function namesOf({ subjectAltName = "" }: X509Certificate): string[] {
  const names = [...subjectAltName.matchAll(/\bDNS:([\w.-]+)/g)].map(([, name = ""]) => name);
  const addresses = [...subjectAltName.matchAll(/\bIP Address:([\da-fA-F.:]+)/g)].map(
    ([, address = ""]) => address.toLowerCase(),
  );
  return [...names.map((name) => name.toLowerCase()), ...addresses].filter(
    (name) => !isLoopback(name) && !/^(?:0{1,4}:)+0{0,3}1$/.test(name), // ::1, written out
  );
}

/** What tells whether a file was replaced. */
export function fingerprint({ cert, key }: CertificateFiles): string {
  return [cert, key]
    .map((file) => {
      const found = statSync(file, { throwIfNoEntry: false });
      return found === undefined ? "none" : `${found.ino} ${found.size} ${found.mtimeMs}`;
    })
    .join(" ");
}
