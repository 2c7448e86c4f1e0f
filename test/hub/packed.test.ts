import { expect, test } from "bun:test";
import { createGunzip } from "node:zlib";
import { openPacker } from "../../src/hub/packed.ts";
import { randomFrom } from "../support/random.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const frame = (i: number) =>
  bytes(
    `event: screen\ndata: {"rev":${i},"cols":80,"rows":24,"title":"Claude Code","lines":{"21":"> what was typed so far ${"x".repeat(i % 60)}"}}\n\n`,
  );

/** Reads such a stream as a browser does: what can be read of it so far. */
function openReader() {
  const gunzip = createGunzip();
  let read = Buffer.alloc(0);
  gunzip.on("data", (part: Buffer) => {
    read = Buffer.concat([read, part]);
  });
  return async (packed: Uint8Array): Promise<Buffer> => {
    const from = read.length;
    await new Promise<void>((done) => gunzip.write(packed, () => done()));
    return read.subarray(from);
  };
}

test("each part can be read as soon as it is there, whatever it is and however much went before", async () => {
  const { int } = randomFrom(11);
  const { part: pack } = openPacker();
  const read = openReader();
  for (let i = 0; i < 300; i++) {
    const noise = Uint8Array.from({ length: int(0, i % 50 === 49 ? 100_000 : 3000) }, () =>
      int(0, 255),
    );
    const part = i % 3 === 0 ? noise : frame(i);
    const got = await read(pack(part));
    expect(got.equals(part)).toBe(true);
  }
});

test("what comes again costs little: the stream looks back at what went before", () => {
  const { part: pack } = openPacker();
  const sizes = Array.from({ length: 50 }, (_, i) => pack(frame(i)).length);
  expect(Math.max(...sizes.slice(1))).toBeLessThan(40);
  const other = openPacker();
  expect(other.part(frame(0)).length).toBeGreaterThan(100); // nothing of one stream is in another
});

test("a stream that has ended is whole, also one that had nothing to say", () => {
  const { int } = randomFrom(12);
  const parts = Array.from({ length: 40 }, (_, i) =>
    i % 7 === 0 ? Uint8Array.from({ length: 5000 }, () => int(0, 255)) : frame(i),
  );
  const packer = openPacker();
  const whole = Buffer.concat([...parts.map((part) => packer.part(part)), packer.end()]);
  expect(Buffer.from(Bun.gunzipSync(whole)).equals(Buffer.concat(parts))).toBe(true);
  expect(Bun.gunzipSync(new Uint8Array(openPacker().end())).length).toBe(0);
});
