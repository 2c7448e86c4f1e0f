import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Dialog, isSame, isSamePicker, parseDialog } from "../../src/runner/dialogs.ts";
import { openScreen } from "../../src/runner/screen.ts";

const captures = join(import.meta.dir, "../fixtures/dialogs");
const quiet = { onChange: () => undefined, onHold: () => undefined, onHistory: () => undefined };

/** What a program has painted, as it is read. */
async function painted(
  output: string | Uint8Array,
  cols = 80,
  rows = 24,
  isClaude = false,
): Promise<Dialog | undefined> {
  const screen = openScreen({ ...quiet, cols, rows });
  screen.feed(
    typeof output === "string" ? new TextEncoder().encode(output.replaceAll("\n", "\r\n")) : output,
  );
  await screen.settled();
  const dialog = parseDialog(
    { rows: screen.plain(), cursor: screen.cursor(), tone: screen.tone },
    isClaude,
  );
  screen.dispose();
  return dialog;
}

/** The beginnings of the options, the highlighted one marked. */
const outline = ({ options, selected }: Dialog) =>
  options.map(
    ({ label, number }, i) =>
      `${i === selected ? "❯" : ""}${number === undefined ? "" : `${number} `}${label.slice(0, 24)}`,
  );

const ASK = [
  "❯1 SQLite A single file, no",
  "2 PostgreSQL A server; sca",
  "3 None Keep everything in ",
  "4 Type something.",
  "5 Chat about this",
];
const WRITE = ["❯1 Yes", "2 Yes, and switch to accep", "3 No"];
const SHORT = ["❯1 Yes", "2 Yes, and switch to auto ", "3 No"];
const LOGIN = [
  "❯1 Claude account with subs",
  "2 Anthropic Console accoun",
  "3 3rd-party platform · Bed",
];
const bash = (second: string) => ["❯1 Yes", `2 ${second}`, "3 Yes, and switch to auto ", "4 No"];

/** Every screen of the real Claude Code 2.1.328 that was captured, in each size it was captured in; undefined where nothing is asked. */
const SCREENS: Record<string, string[] | undefined> = {
  "api-error-retry": undefined,
  "apikey-prompt": ["Yes", "❯No (recommended)"],
  ask: ASK,
  ask2: ASK,
  "ask2-review": ["❯1 Submit answers", "2 Cancel"],
  askmulti: [
    "❯1 [ ] Dark mode A dark the",
    "2 [ ] Push Push notificati",
    "3 [ ] Search Full-text sea",
    "4 [ ] Type something Submi",
    "5 Chat about this",
  ],
  "auth-login": undefined,
  "auth-status": undefined,
  "auto-cant-check": ["Enter to stay in auto mo", "shift+Tab to leave for a"],
  "auto-cant-check-permission": ["❯No", "Yes"],
  "bash-permission": bash("Yes, and don't ask again"),
  "bash-permission-amend": undefined, // words are typed behind the option
  "bash-permission-long": SHORT,
  "bash-permission-multiline": SHORT,
  "bash-permission-simple": bash("Yes, and don’t ask again"),
  "bypass-warning": ["❯No, exit", "Yes, I accept"],
  "ctrl-c-once": undefined,
  "edit-permission": WRITE,
  "elicitation-form": undefined, // fields, for the desk where the hook let go
  "elicitation-url": ["❯Accept", "Decline"],
  "firstrun-apikey": ["Yes", "❯No (recommended)"],
  "firstrun-login-method": LOGIN,
  "firstrun-login-url": undefined,
  "firstrun-theme": [
    "❯Auto (match terminal)",
    "Dark mode",
    "Light mode",
    "Dark mode (colorblind-fr",
    "Light mode (colorblind-f",
    "Dark mode (ANSI colors o",
    "Light mode (ANSI colors ",
  ],
  idle: undefined,
  "idle-exit": undefined,
  "idle-first": undefined,
  "idle-second": undefined,
  "login-method": LOGIN,
  "login-url": undefined,
  "long-answer": undefined,
  "mcp-permission": ["❯1 Yes", "2 Yes, and don't ask again", "3 No"],
  "model-picker": [
    "❯1 Default (recommended) ✔ ",
    "2 Opus                    ",
    "3 Fable                   ",
  ],
  "plan-approval": [
    "❯1 Yes, and use auto mode",
    "2 Yes, manually approve ed",
    "3 Tell Claude what to chan",
  ],
  "plan-empty": ["❯1 Yes, and switch to defau", "2 No"],
  "read-permission": ["❯1 Yes", "2 Yes, allow reading from ", "3 No"],
  "resume-picker": undefined,
  rewind: ["say: hi No code changes", "❯(current)"],
  "settings-error": ["❯1 Fix with Claude", "2 Exit and fix manually", "3 Continue without these s"],
  "setup-token": undefined,
  streaming: undefined,
  "subagent-permission": bash("Yes, and always allow ac"),
  "thinking-spinner": undefined,
  "transcript-ctrl-o": undefined,
  "trust-folder": ["❯No, exit", "Yes, I trust this folder"],
  "webfetch-permission": ["❯1 Yes", "2 Yes, and don't ask again", "3 No, and tell Claude what"],
  "websearch-permission": ["❯1 Yes", "2 Yes, and don't ask again", "3 No"],
  "write-permission": WRITE,
  "write-permission-big": WRITE,
  "write-permission-claude-dir": ["❯1 Yes", "2 Yes, and allow Claude to", "3 No"],
  "write-permission-overwrite": WRITE,
};

describe("a screen of Claude Code", () => {
  const files = readdirSync(captures).flatMap((file) => {
    const [, name, cols, rows] = /^(.*)-(\d+)x(\d+)\.raw$/.exec(file) ?? [];
    return name === undefined ? [] : [{ file, name, cols: Number(cols), rows: Number(rows) }];
  });

  test("is in the table, each that was captured", () => {
    expect([...new Set(files.map(({ name }) => name))].sort()).toEqual(Object.keys(SCREENS).sort());
  });

  test.each(files)("$file", async ({ file, name, cols, rows }) => {
    const dialog = await painted(
      new Uint8Array(readFileSync(join(captures, file))),
      cols,
      rows,
      true,
    );
    // the wide screen has room for what the small one scrolls to
    const expected =
      name === "model-picker" && cols > 80
        ? [...(SCREENS[name] ?? []), "4 Sonnet                  ", "5 Haiku                   "]
        : SCREENS[name];
    expect(dialog && outline(dialog)).toEqual(expected);
    expect(dialog?.bars).toBe(
      name === "askmulti" ? "several" : name === "write-permission-big" ? "cut" : undefined,
    );
    if (name.startsWith("trust") || name.startsWith("bash"))
      expect(dialog?.above.join("\n") ?? "Do you want").toMatch(/Do you want|Quick safety check/);
  });

  test("keeps its question whichever option is highlighted, and is another question once its words are others", async () => {
    const raw = readFileSync(join(captures, "trust-folder-80x24.raw"), "utf8");
    const first = await painted(new TextEncoder().encode(raw), 80, 24, true);
    const moved = await painted(
      new TextEncoder().encode(`${raw}\x1b[15;2H \x1b[16;2H❯\x1b[16;2H`),
      80,
      24,
      true,
    );
    expect(moved && outline(moved)).toEqual(["No, exit", "❯Yes, I trust this folder"]);
    expect(isSame(first, moved)).toBe(true);
    expect(
      isSame(
        first,
        await painted(new TextEncoder().encode(`${raw}\x1b[5;5HX\x1b[15;2H`), 80, 24, true),
      ),
    ).toBe(false);
  });

  test("that only quotes a list asks nothing", async () => {
    const quoted =
      "● Do you want to proceed?\n\n  ❯ 1. Yes\n    2. No\n\n────────────────────────────────\n❯ \n────────────────────────────────\n  ? for shortcuts\x1b[7;3H";
    expect(await painted(quoted, 80, 24, true)).toBeUndefined();
  });
});

const hide = "\x1b[?25l";
describe("a screen of another program", () => {
  const asks: [string, string, string[]][] = [
    [
      "a list of inquirer",
      `? Which one? (Use arrow keys)\n❯ first\n  second\n  third${hide}`,
      ["❯first", "second", "third"],
    ],
    ["a list of gum", `Choose:\n  first\n> second${hide}`, ["first", "❯second"]],
    [
      "a list of clack",
      `◆  Pick a template.\n│  ○ Vanilla\n│  ● React\n│  ○ Vue\n└${hide}`,
      ["Vanilla", "❯React", "Vue"],
    ],
    [
      "a numbered list below other output",
      `done.\n\nWhere to?\n\n  1. here\n❯ 2. there\n\n(esc to quit)${hide}`,
      ["1 here", "❯2 there"],
    ],
    ["yes or no", "some output\nProceed? [y/N] ", ["y", "n"]],
    [
      "yes or no in full",
      "Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
      ["yes", "no"],
    ],
  ];
  test.each(asks)("asks with %s", async (_, output, expected) => {
    const dialog = await painted(output);
    expect(dialog && outline(dialog)).toEqual(expected);
  });

  const free: [string, string][] = [
    ["a shell's prompt of the same sign", `total 2\n  file\n❯ ls`],
    ["a shell that shows a list above its prompt", "Which one?\n❯ first\n  second\n$ "],
    ["a list with nothing asked above it", `output\n❯ first\n  second${hide}`],
    ["a list that has scrolled away", `Which one?\n❯ first\n  second\n\na\nb\nc\nd${hide}`],
    ["quoted mail", "On Monday you wrote:\n> yes\n> no\n\n$ "],
    ["an answer that is being typed", "Proceed? [y/N] ye"],
    ["yes or no further up", "Proceed? [y/N] y\nok\n$ "],
    ["an editor", "Proceed? [y/N]\n~\n~\x1b[1;1H"],
    ["nothing", ""],
  ];
  test.each(free)("asks nothing with %s", async (_, output) => {
    expect(await painted(output)).toBeUndefined();
  });

  test("whose boxes can be ticked is not answered from afar", async () => {
    expect((await painted(`? Which ones?\n❯ ◯ first\n  ◉ second${hide}`))?.bars).toBe("several");
  });
});

describe("a picker of Claude's whose items have two lines", () => {
  const rule = "▔".repeat(60);
  const grey = (text: string) => `\x1b[38;5;246m${text}\x1b[39m`;
  const item = (title: string, about: string, isHere = false) =>
    `  ${isHere ? `\x1b7\x1b[38;5;153m❯ ${title}\x1b[39m` : `  ${title}`}\n    ${grey(about)}\n`;
  const picker = (here: number, titles: string[], gap = "\n") =>
    `${rule}\n  Resume session (${here + 1} of 9)\n\n${titles
      .map((title, i) => item(title, `${i + 1} hours ago · main`, i === here))
      .join(gap)}\n  Enter to resume · Esc to close\x1b8`;
  /** Painted; the cursor is where it was saved, on the sign. */
  const read = (text: string) => painted(text, 80, 24, true);

  test.each([
    ["with a blank line after each", "\n"],
    ["one right below the other", ""],
  ])("has as many options as items, %s", async (_, gap) => {
    for (const here of [0, 1, 2]) {
      const dialog = await read(picker(here, ["fix it", "1st: a list", "look at this"], gap));
      expect(dialog?.options.map(({ label }) => label)).toEqual([
        "fix it 1 hours ago · main",
        "1st: a list 2 hours ago · main",
        "look at this 3 hours ago · main",
      ]);
      expect(dialog?.selected).toBe(here);
      expect(dialog?.above.at(0)).toContain("Resume session");
    }
  });

  test("stays the same question as its cursor moves, and the same picker as it scrolls", async () => {
    const titles = ["one", "two", "three", "four"];
    const [first, second, later, other] = await Promise.all([
      read(picker(0, titles.slice(0, 3))),
      read(picker(1, titles.slice(0, 3))),
      read(picker(2, titles.slice(1))),
      read(picker(0, ["five", "six"]).replace("Resume session", "Select model")),
    ]);
    if (first === undefined || later === undefined || other === undefined)
      throw new Error("no question was read");
    expect(isSame(first, second)).toBe(true);
    expect(isSame(first, later)).toBe(false);
    expect(isSamePicker(first, later)).toBe(true);
    expect(isSamePicker(first, other)).toBe(false);
  });

  test("is not what a list is whose options have one line each, whatever their colour", async () => {
    const text = `${rule}\n  Trust?\n\n  \x1b7\x1b[36m❯ No, exit\x1b[39m\n    Yes, I trust it\n\n  Enter to confirm\x1b8`;
    expect(outline((await read(text)) ?? missing())).toEqual(["❯No, exit", "Yes, I trust it"]);
  });
});

function missing(): never {
  throw new Error("no question was read");
}
