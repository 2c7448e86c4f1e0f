import { afterEach, expect, spyOn, test } from "bun:test";
import * as v from "valibot";
import { type Client, RequestError } from "../../src/attach/client.ts";
import { openTyping } from "../../src/attach/typing.ts";
import { InputRequest, LIMITS } from "../../src/types.ts";
import { until } from "../support/until.ts";

type Sent = v.InferOutput<typeof InputRequest>;
let restore: () => void = () => undefined;
afterEach(() => restore());

/** Typing to a server that answers when the test says so. */
function open() {
  const sent: Sent[] = [];
  const answers: ((error?: RequestError) => void)[] = [];
  const said: string[] = [];
  let asked = 0;
  const client: Client = {
    device: "d",
    send: () => Promise.reject(new Error("not used")),
    call: (schema, _method, _target, body) =>
      new Promise((resolve, reject) => {
        sent.push(v.parse(InputRequest, body));
        answers.push((error) =>
          error === undefined ? resolve(v.parse(schema, { applied: 1 })) : reject(error),
        );
      }),
  };
  const typing = openTyping(client, "s", {
    onState: (words) => void said.push(words),
    onAsked: () => void asked++,
  });
  return {
    sent,
    said,
    asked: () => asked,
    text: (text: string) => typing.typed({ kind: "text", text }),
    paste: (text: string, more = false) => typing.typed({ kind: "paste", text, more }),
    keys: (...names: string[]) => {
      for (const key of names) typing.typed({ kind: "key", key });
    },
    /** Answers the request that is on its way, and waits for the next, if any. */
    async answer(error?: RequestError) {
      (await until("a request", () => answers.shift()))(error);
      await Bun.sleep(0);
    },
  };
}
const away = new RequestError(0, "offline", "away");

test("what comes while something is on its way goes together, in its order", async () => {
  const { sent, text, paste, keys, answer } = open();
  text("a");
  for (const char of "bcd") text(char);
  keys("Enter", "Up", "C-c");
  text("x");
  paste("p\nq");
  text("!");
  keys("Enter");
  for (let i = 0; i < 5; i++) await answer();
  const what: object[] = sent.map(({ text, paste, enter, keys }) => ({ text, paste, enter, keys }));
  expect(what).toEqual([
    { text: "a" },
    { text: "bcd", enter: true, keys: ["Up", "C-c"] },
    { text: "x" },
    { text: "p\nq", paste: true },
    { text: "!", enter: true },
  ]);
  expect(sent.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
  expect(new Set(sent.map(({ stream }) => stream)).size).toBe(1);
});

test("much at once keeps to what a request holds, and a wheel that is faster than the way is left out", async () => {
  const { sent, said, text, keys, answer } = open();
  text("漢".repeat(40_000));
  keys(...Array<string>(250).fill("Up"), ...Array<string>(80).fill("WheelUp"));
  for (let i = 0; i < 5; i++) await answer();
  expect(
    sent.every(
      (input) =>
        JSON.stringify(input).length < LIMITS.bodyBytes &&
        Buffer.byteLength(JSON.stringify(input)) <= LIMITS.bodyBytes,
    ),
  ).toBe(true);
  expect(sent.map((input) => input.text ?? "").join("")).toBe("漢".repeat(40_000));
  const pressed = sent.flatMap((input) => input.keys ?? []);
  expect(pressed.filter((key) => key === "Up")).toHaveLength(250);
  expect(pressed.filter((key) => key === "WheelUp").length).toBeLessThanOrEqual(20);
  for (let i = 0; i < 70; i++) text("x".repeat(16_000));
  expect(said.at(-1)).toContain("Too much at once");
});

test("a paste goes as one, however long it is and in whatever pieces the terminal tells it", async () => {
  const { sent, paste, keys, answer, said } = open();
  paste("a".repeat(20_000), true);
  expect(sent).toEqual([]); // its end may never come
  paste("b".repeat(20_000), true);
  paste("", false);
  keys("Enter");
  for (let i = 0; i < 4; i++) await answer();
  expect(sent.map(({ more, paste }) => [more, paste])).toEqual([
    [true, true],
    [true, true],
    [undefined, true],
    [undefined, undefined],
  ]);
  expect(sent.map(({ text }) => text ?? "").join("")).toBe("a".repeat(20_000) + "b".repeat(20_000));
  paste("x".repeat(LIMITS.pasteChars), true);
  paste("y", false);
  expect(said.at(-1)).toContain("Too much at once");
  paste("z");
  await answer();
  expect(sent.at(-1)?.text).toBe("z");
});

test("with the connection away the same goes out again under its number, and for 30 s at most", async () => {
  const { sent, said, text, answer } = open();
  text("rm");
  await answer(away);
  expect(said).toEqual(["Not sent yet: the connection is away."]);
  await answer(new RequestError(503, "runner_lost", "lost"));
  await answer();
  expect(sent.map(({ seq, stream, text }) => [seq, stream, text])).toEqual(
    Array(3).fill([1, sent[0]?.stream, "rm"]),
  );
  expect(said.at(-1)).toBe("");

  text("old");
  text("older");
  const now = performance.now.bind(performance);
  const clock = spyOn(performance, "now").mockImplementation(() => now() + 31_000);
  restore = () => clock.mockRestore();
  await answer(away);
  expect(said.at(-1)).toContain("dropped");
  restore();
  text("new");
  await answer();
  expect(sent.slice(3).map(({ seq, text }) => [seq, text])).toEqual([
    [2, "old"],
    [1, "new"],
  ]);
  expect(sent.at(-1)?.stream).not.toBe(sent[0]?.stream); // "old" may have arrived: its number is not another's
});

test("what is refused as a question is open is dropped with all that came after it", async () => {
  const { sent, asked, text, keys, answer } = open();
  text("y");
  keys("Enter");
  await answer(new RequestError(409, "asked", "asked"));
  expect(asked()).toBe(1);
  text("on");
  await answer();
  expect(sent.map(({ text }) => text)).toEqual(["y", "on"]);
});
