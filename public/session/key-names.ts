/** Keys of a keyboard (UI Events' `key`) by their names in src/types.ts. */
const NAMED: Record<string, string> = {
  ArrowUp: "Up",
  ArrowDown: "Down",
  ArrowLeft: "Left",
  ArrowRight: "Right",
  Home: "Home",
  End: "End",
  PageUp: "PageUp",
  PageDown: "PageDown",
  Insert: "Insert",
  Delete: "Delete",
  ...Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`F${i + 1}`, `F${i + 1}`] as const)),
};
/** What Control makes of a character besides letters, as in xterm. */
const CONTROL: Record<string, string> = {
  " ": "C-Space",
  "@": "C-Space",
  "[": "Escape",
  "\\": "C-\\",
  "]": "C-]",
  "^": "C-^",
  "~": "C-^",
  _: "C-_",
  "/": "C-_",
  "?": "BSpace",
};
/** Digits, too. A browser has other uses for these with a Control key of its own. */
const CONTROL_DIGITS: Record<string, string> = {
  "2": "C-Space",
  "3": "Escape",
  "4": "C-\\",
  "5": "C-]",
  "6": "C-^",
  "7": "C-_",
  "8": "BSpace",
};

/** The key that Control of the key bar and a character make, by its name; undefined where they make none. */
export function controlKey(char: string): string | undefined {
  if (/^[a-z]$/i.test(char)) return `C-${char.toLowerCase()}`;
  return Object.hasOwn(CONTROL_DIGITS, char) ? CONTROL_DIGITS[char] : other(char);
}
const other = (char: string) => (Object.hasOwn(CONTROL, char) ? CONTROL[char] : undefined);

/** The parts of a KeyboardEvent that say which key it is. */
type Pressed = Pick<
  KeyboardEvent,
  "key" | "code" | "ctrlKey" | "altKey" | "shiftKey" | "metaKey" | "getModifierState"
>;

/**
 * The key that somebody pressed, as a terminal takes it, by its name in src/types.ts. Undefined where it is text, or the browser's: with
 * Meta, to zoom, to change tabs, to copy and paste. `claude`: Shift and Enter make a new line there.
 */
export function keyName(event: Pressed, claude: boolean): string | undefined {
  const { key, code, ctrlKey, altKey, shiftKey, metaKey } = event;
  if (metaKey) return undefined;
  const text = event.getModifierState("AltGraph"); // Windows tells it as Control and Alt
  const control = ctrlKey && !text ? "C-" : "";
  const alt = altKey && !text ? "M-" : "";
  const named = Object.hasOwn(NAMED, key) ? NAMED[key] : undefined;
  if (named === "Insert" && (ctrlKey || shiftKey)) return undefined; // copies and pastes
  if (named !== undefined) return `${control}${alt}${shiftKey ? "S-" : ""}${named}`;
  switch (key) {
    case "Enter":
      return alt !== "" || (shiftKey && claude) ? "M-Enter" : "Enter";
    case "Tab":
      return control !== "" || alt !== "" ? undefined : shiftKey ? "BTab" : "Tab";
    case "Escape":
      return `${alt}Escape`;
    case "Backspace":
      return control === "" ? `${alt}BSpace` : "C-h";
  }
  if ([...key].length !== 1) return undefined; // a modifier, or a key that no terminal knows
  if (control !== "") {
    // on another alphabet's keyboard the key's place counts
    const letter =
      /^[a-z]$/i.exec(key)?.[0] ?? (key > "~" ? /^Key([A-Z])$/.exec(code)?.[1] : undefined);
    if (letter === undefined) return alt === "" ? other(key) : undefined;
    return shiftKey ? undefined : `C-${alt}${letter.toLowerCase()}`; // the browser's own, with Shift
  }
  // beyond ASCII the key made the character: Option on a Mac
  return alt !== "" && key <= "~" ? (key === " " ? "M-Space" : `M-${key}`) : undefined;
}

/** An on-screen keyboard leaves less than the window to be seen by at least this much, in CSS pixels. */
const KEYBOARD_PX = 120;

/**
 * Whether a key was pressed on a keyboard with real keys. A mouse or a trackpad says so; without one the event does: it names the key's
 * place, which keyboards on the screen don't know, and no such keyboard covers the page.
 */
export function isHardwareKey(event: KeyboardEvent): boolean {
  if (matchMedia("(hover: hover) and (pointer: fine)").matches) return true;
  if (event.code === "" || event.code === "Unidentified") return false;
  const seen = window.visualViewport;
  return seen === null || window.innerHeight - seen.height * seen.scale < KEYBOARD_PX;
}

/** Whether an input method is at work, so that the key is its own. Safari ends a composition before the key that ended it. */
export const isComposing = (event: KeyboardEvent): boolean =>
  event.isComposing || event.keyCode === 229;
