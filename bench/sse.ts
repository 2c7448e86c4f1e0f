/** Reads a stream of server-sent events as it comes: the text of each, and what all of it comes to in bytes. */
export function readEvents(body: ReadableStream<Uint8Array>, onEvent: (text: string) => void, onBroken: (error: Error) => void) {
  const reader = body.getReader();
  let bytes = 0;
  const follow = async () => {
    const decoder = new TextDecoder();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      bytes += part.value.length;
      const parts = (rest + decoder.decode(part.value, { stream: true })).split("\n\n");
      rest = parts.pop() ?? "";
      for (const text of parts) onEvent(text);
    }
  };
  follow().catch(onBroken);
  return {
    bytes: () => bytes,
    close: () => void reader.cancel().catch(() => undefined), // it may be gone already
  };
}
