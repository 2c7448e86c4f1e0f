/** TLS record and handshake types, and extensions (RFC 8446, RFC 6066, RFC 9849). */
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ENCRYPTED_CLIENT_HELLO = 0xfe0d;

/**
 * The server that a TLS connection's first bytes ask for. One address can serve many names: whoever may speak to one of them
 * must not reach the others through it. Undefined while more has to come; empty where no name is told, or another may be
 * hidden behind it.
 */
export function serverAsked(bytes: Buffer): string | undefined {
  if (bytes.length < 5) return bytes.length > 0 && bytes[0] !== HANDSHAKE ? "" : undefined;
  const end = 5 + bytes.readUInt16BE(3);
  if (bytes[0] !== HANDSHAKE) return "";
  if (bytes.length < end) return undefined;
  try {
    return nameIn(bytes.subarray(5, end));
  } catch (error) {
    if (error instanceof RangeError) return ""; // a length that leads beyond the end
    throw error;
  }
}

function nameIn(hello: Buffer): string {
  if (hello[0] !== CLIENT_HELLO || hello.readUIntBE(1, 3) !== hello.length - 4) return ""; // none of the usual clients splits it
  let at = 4 + 2 + 32; // header, version, random
  at += 1 + hello.readUInt8(at); // session
  at += 2 + hello.readUInt16BE(at); // ciphers
  at += 1 + hello.readUInt8(at); // compression
  at += 2;
  let name = "";
  while (at < hello.length) {
    const type = hello.readUInt16BE(at);
    const body = hello.subarray(at + 4, at + 4 + hello.readUInt16BE(at + 2));
    if (type === ENCRYPTED_CLIENT_HELLO || (type === SERVER_NAME && name !== "")) return "";
    // a list of one: its length, the kind (0 is a host), and the name with its length
    if (type === SERVER_NAME)
      name =
        body.readUInt16BE(0) === body.length - 2 &&
        body[2] === 0 &&
        body.readUInt16BE(3) === body.length - 5
          ? body.toString("latin1", 5)
          : "";
    at += 4 + body.length;
  }
  return name;
}
