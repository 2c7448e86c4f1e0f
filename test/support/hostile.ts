import { afterAll, beforeAll } from "bun:test";
import { randomFrom } from "./random.ts";

export type Random = ReturnType<typeof randomFrom>;

/** For long runs: so many times the usual count; or one seed alone, to look at what failed. */
const TIMES = Number(process.env.HOSTILE_TIMES ?? 1);
const SEED = process.env.HOSTILE_SEED;

/** Does something hostile with one seed after the other; a failure names its seed. */
export async function attack(
  count: number,
  act: (random: Random, seed: number) => Promise<void> | void,
): Promise<void> {
  const seeds =
    SEED === undefined ? Array.from({ length: count * TIMES }, (_, i) => i + 1) : [Number(SEED)];
  for (const seed of seeds) {
    try {
      await act(randomFrom(seed), seed);
    } catch (error) {
      throw new Error(`with HOSTILE_SEED=${seed}`, { cause: error });
    }
  }
}

/** How long such a test may take, in ms. */
export const patience = (ms: number) => ms * TIMES;

const NUMBERS = [
  -1,
  -0,
  0.5,
  1e308,
  -1e308,
  2 ** 31,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  -(2 ** 53),
  9999,
  1e-9,
];
const KEYS = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "then",
  "toJSON",
  "",
  "\0",
  "0",
  "type",
];

/** Text that nobody expects. */
export function oddText(random: Random): string {
  const short = [
    "",
    "\0",
    "\ud800",
    "\udc00x",
    "\u202e",
    "\u2028",
    "\r\n",
    "\x1b]52;c;eA==\x07",
    "\x1b[2J",
    "%00",
    "..%2f",
    "../../etc/passwd",
    "__proto__",
    "' OR 1=1 --",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "🇩🇪👨‍👩‍👧",
    "NaN",
    "null",
    "ﷺ",
  ];
  return random.int(0, 9) === 0
    ? random.pick([...short, "a", "é"]).repeat(10 ** random.int(2, 5))
    : random.pick(short) + (random.int(0, 1) === 0 ? "" : random.pick(short));
}

function oddValue(random: Random): unknown {
  const deep = () => {
    let value: unknown = 1;
    for (let depth = random.pick([10, 1000, 3000]); depth > 0; depth--)
      value = random.int(0, 1) === 0 ? [value] : { a: value };
    return value;
  };
  return random.pick<() => unknown>([
    () => null,
    () => true,
    () => [],
    () => ({}),
    () => random.pick(NUMBERS),
    () => oddText(random),
    deep,
    () => Array(5000).fill(0),
  ])();
}

/** A copy of what came out of JSON, changed in one place or a few. */
export function mutated(random: Random, value: unknown): unknown {
  const copy: unknown = structuredClone(value);
  for (let times = random.pick([1, 1, 1, 2, 5]); times > 0; times--) mutate(random, copy);
  return copy;
}

function mutate(random: Random, value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  const keys = Object.keys(value);
  if (Array.isArray(value) && random.int(0, 9) === 0) return void value.push(oddValue(random));
  const key =
    keys.length === 0 || (random.int(0, 9) === 0 && !Array.isArray(value))
      ? random.pick(KEYS)
      : random.pick(keys);
  const there: unknown = Reflect.getOwnPropertyDescriptor(value, key)?.value;
  // defined, as `__proto__` would be swallowed by an assignment
  const set = (to: unknown) =>
    Reflect.defineProperty(value, key, {
      value: to,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  if (typeof there === "object" && there !== null && random.int(0, 2) > 0)
    return mutate(random, there);
  if (random.int(0, 7) === 0) Reflect.deleteProperty(value, key);
  else if (typeof there === "number" && random.int(0, 1) === 0)
    set(random.pick([there + 1, there - 1, ...NUMBERS]));
  else if (typeof there === "string" && random.int(0, 1) === 0) set(there + oddText(random));
  else set(oddValue(random));
}

/** Bytes of JSON text that were damaged on their way, or never were any. */
export function damaged(random: Random, json: string): Uint8Array {
  const bytes = new TextEncoder().encode(json);
  const at = () => random.int(0, Math.max(0, bytes.length - 1));
  switch (random.int(0, 4)) {
    case 0:
      return bytes.subarray(0, at());
    case 1:
      return Uint8Array.from({ length: random.int(0, 2000) }, () => random.int(0, 255));
    case 2:
      return new Uint8Array([
        ...bytes.subarray(0, at()),
        0xff,
        random.int(0, 255),
        ...bytes.subarray(at()),
      ]);
    case 3:
      return new TextEncoder().encode(
        random.pick(["[", '{"a":', "[[],"]).repeat(random.pick([10, 100_000])),
      );
    default:
      for (let i = random.int(1, 20); i > 0; i--) bytes[at()] = random.int(0, 255);
      return bytes;
  }
}

/** What nobody caught while a file's tests ran: in the product it would have ended the process. */
export function watchUnhandled(): unknown[] {
  const unhandled: unknown[] = [];
  const note = (error: unknown) => void unhandled.push(error);
  beforeAll(() => {
    process.on("unhandledRejection", note);
    process.on("uncaughtException", note);
  });
  afterAll(() => {
    process.off("unhandledRejection", note);
    process.off("uncaughtException", note);
  });
  return unhandled;
}
