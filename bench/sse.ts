import { createGunzip } from "node:zlib";

/** Reads a stream of server-sent events as it comes: the text of each, and what all of it comes to on the wire, in bytes. */
export function readEvents(
  { body, headers }: Response,
  onEvent: (text: string) => void,
  onBroken: (error: Error) => void,
) {
  if (body === null) throw new Error("no stream");
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let bytes = 0;
  const take = (part: Uint8Array) => {
    const parts = (rest + decoder.decode(part, { stream: true })).split("\n\n");
    rest = parts.pop() ?? "";
    for (const text of parts) onEvent(text);
  };
  const packed =
    headers.get("content-encoding") === "gzip"
      ? createGunzip().on("data", take).on("error", onBroken)
      : undefined;
  const follow = async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      bytes += part.value.length;
      if (packed === undefined) take(part.value);
      else packed.write(part.value);
    }
  };
  follow().catch(onBroken);
  return {
    bytes: () => bytes,
    close: () => void reader.cancel().catch(() => undefined), // it may be gone already
  };
}
