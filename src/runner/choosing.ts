import type { Dialog } from "./dialogs.ts";

/** A key has so long to show its effect, and all of them together, in ms: the server waits 8 s for an answer. */
const KEY_MS = 700;
const KEYS_MS = 3500;
/** A key pressed by anybody needs so long to be seen on the screen; Claude itself swallows Enter for some 200 ms after it has painted. In ms. */
const GUARD_MS = 300;
/** What a program does with a word is seen after this long, before Enter follows it, in ms. */
const WORD_MS = 150;

/** The keys of a program, and what it shows. */
export interface Keyboard {
  /** The question as it stands once all has been painted; undefined where it is another one or none. */
  still(asked: Dialog): Promise<Dialog | undefined>;
  /** Which option seems to be highlighted just now. */
  selected(asked: Dialog): number | undefined;
  /** The row where the cursor is. */
  line(): string;
  press(key: string): void;
  write(word: string): void;
  /** When somebody else last pressed a key. */
  touched(): number;
}

/** `lost`: it is no longer what was asked, and nothing that could answer it was pressed; `refused`: it does not do what it should. */
type Pressed = "pressed" | "lost" | "refused";

/** Presses one key while the question stands, what is highlighted is `wanted`, and no other key is on its way that was pressed `since`, or by anybody else. */
export async function pressKey(
  keyboard: Keyboard,
  asked: Dialog,
  key: string,
  wanted?: number,
  since = Number.NEGATIVE_INFINITY,
): Promise<Pressed | "moved"> {
  const until = performance.now() + KEYS_MS;
  while (performance.now() < until) {
    const dialog = await keyboard.still(asked);
    if (dialog === undefined) return "lost";
    if (wanted !== undefined && dialog.selected !== wanted) return "moved";
    const left = Math.max(since, keyboard.touched()) + GUARD_MS - performance.now();
    if (left <= 0) {
      keyboard.press(key);
      return "pressed";
    }
    await Bun.sleep(left);
  }
  return "refused"; // somebody types all the time
}

/** Chooses option `wanted`, with as many keys as it takes; before each the screen is read again. */
export async function choose(keyboard: Keyboard, asked: Dialog, wanted: number): Promise<Pressed> {
  if (asked.way === "keys") {
    const pressed = await pressKey(
      keyboard,
      asked,
      /^shift/i.test(asked.options[wanted]?.label ?? "") ? "BTab" : "Enter",
    );
    return pressed === "moved" ? "refused" : pressed;
  }
  if (asked.way === "word") return answerWord(keyboard, asked, asked.options[wanted]?.label ?? "");
  const [back, on] = asked.way === "row" ? (["Left", "Right"] as const) : (["Up", "Down"] as const);
  const until = performance.now() + KEYS_MS;
  let movedAt = Number.NEGATIVE_INFINITY;
  while (performance.now() < until) {
    const dialog = await keyboard.still(asked);
    if (dialog === undefined) return "lost";
    if (dialog.selected === wanted) {
      const pressed = await pressKey(keyboard, asked, "Enter", wanted, movedAt);
      if (pressed !== "moved") return pressed;
      continue;
    }
    keyboard.press(wanted < dialog.selected ? back : on);
    movedAt = performance.now();
    // nothing more is pressed before the cursor has moved
    while (performance.now() < movedAt + KEY_MS && keyboard.selected(asked) === dialog.selected)
      await Bun.sleep(20);
  }
  return "refused"; // it does not go where it should: nothing was chosen
}

/** The line that asks for a word. */
export const askedLine = ({ above }: Dialog): string => above.at(-1)?.trim() ?? "";

/** Types a word, and Enter only where the word then stands behind the question: some programs take the first letter at once. */
async function answerWord(keyboard: Keyboard, asked: Dialog, word: string): Promise<Pressed> {
  if ((await keyboard.still(asked)) === undefined) return "lost";
  const question = askedLine(asked);
  const typed = () =>
    keyboard.line().startsWith(question) && keyboard.line().slice(question.length).trim() === word;
  keyboard.write(word);
  const until = performance.now() + KEY_MS;
  while (performance.now() < until && !typed()) await Bun.sleep(20);
  await Bun.sleep(WORD_MS);
  if (typed()) keyboard.press("Enter");
  else if (keyboard.line().startsWith(question)) {
    keyboard.write("\x7f".repeat(word.length)); // taken back, or it would wait unseen for the Enter of somebody else
    return "refused";
  }
  return "pressed";
}
