import { constants, crc32, deflateRawSync } from "node:zlib";

/** So much of what went before is looked back at, in bytes (a power of two): what a stream costs in memory, and most of what a part costs in time. */
const WINDOW_BYTES = 16 * 1024;
const OPTIONS = { windowBits: Math.log2(WINDOW_BYTES), finishFlush: constants.Z_SYNC_FLUSH };
/** gzip's header (RFC 1952): deflate, no name, no time, no system. */
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);

type Bytes = Uint8Array<ArrayBuffer>;

/** A stream of gzip, part by part. */
export interface Packer {
  /** The next part; it can be read as soon as it is there. */
  part(bytes: Bytes): Bytes;
  /** What comes last, so that the end is not taken for a broken stream. */
  end(): Bytes;
}

/**
 * Packs a stream whose parts are like what went before them: that is the dictionary of each, and all that is kept of it. (Node's own streams
 * of zlib keep 256 kB each, and take a thread for every part.)
 */
export function openPacker(): Packer {
  let before: Bytes | undefined;
  let checksum = 0;
  let size = 0;
  const begin = (bytes: Bytes) => (before === undefined ? Buffer.concat([HEADER, bytes]) : bytes);
  return {
    part(bytes) {
      checksum = crc32(bytes, checksum);
      size += bytes.length;
      const packed = begin(
        deflateRawSync(bytes, before === undefined ? OPTIONS : { ...OPTIONS, dictionary: before }),
      );
      before = Buffer.concat([before ?? new Uint8Array(), bytes]).subarray(-WINDOW_BYTES);
      return packed;
    },
    end() {
      const trailer = new Uint8Array(13);
      trailer.set([1, 0, 0, 0xff, 0xff]); // the last block, empty
      const view = new DataView(trailer.buffer);
      view.setUint32(5, checksum, true);
      view.setUint32(9, size, true); // modulo 2^32
      return begin(trailer);
    },
  };
}
