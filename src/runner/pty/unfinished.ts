/** A string of a terminal's that has become so long is passed over: what it began as is not known any more, in bytes. */
const STRING_BYTES = 256;
const ESC = "\x1b";
const ESCAPE = 0x1b;
/** Control sequences and escape sequences without their end (ECMA-48 5.4, ECMA-35). */
const SEQUENCE = new RegExp(`^${ESC}(?:\\[[0-?]*)?[ -/]*$`);
/** A string without its end. Only OSC may end with BEL. */
const OSC = new RegExp(`^${ESC}\\][^\x07\x18\x1a\x9c]*$`);
const OTHER_STRING = new RegExp(`^${ESC}[PX^_][^\x18\x1a\x9c]*$`);
/** What comes after these is shown nowhere, up to the end of the string: a number that no terminal knows, and a command for an application. */
const UNKNOWN_OSC = `${ESC}]7799;`;
const UNKNOWN_STRING = `${ESC}_`;

/**
 * The escape sequence or the character that output ends within: what comes next makes sense only behind it. `parts` are the end of
 * what was written, one after the other.
 */
export function unfinishedEnd(...parts: Uint8Array[]): Uint8Array {
  const output = parts.length === 1 ? parts[0] : Buffer.concat(parts);
  if (output === undefined) return new Uint8Array();
  const at = output.lastIndexOf(ESCAPE);
  if (at >= 0) {
    const text = Buffer.from(output.subarray(at)).toString("latin1");
    if (SEQUENCE.test(text)) return output.slice(at);
    const unknown = OSC.test(text)
      ? UNKNOWN_OSC
      : OTHER_STRING.test(text)
        ? UNKNOWN_STRING
        : undefined;
    if (unknown !== undefined)
      return text.length <= STRING_BYTES ? output.slice(at) : new TextEncoder().encode(unknown);
  }
  return output.slice(output.length - unfinishedCharacter(output));
}

/** Bytes at the end that begin a character of UTF-8 and are not all of it. */
function unfinishedCharacter(output: Uint8Array): number {
  for (let bytes = 1; bytes <= Math.min(3, output.length); bytes++) {
    const byte = output[output.length - bytes] ?? 0;
    if (byte < 0x80) return 0;
    if (byte < 0xc0) continue; // goes on a character
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > bytes ? bytes : 0;
  }
  return 0;
}
