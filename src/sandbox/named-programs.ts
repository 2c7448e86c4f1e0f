import { lstatSync, readdirSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { readFileAt } from "../runner/real-file.ts";
import { type Guarded, isWithin } from "./project.ts";

/** A text that a program outside runs, or takes commands from, and the folder that its paths may be meant from. */
export interface Source {
  text: string;
  folder: string;
}

/** As much of a text is read, in bytes, and so many texts. */
const TEXT_BYTES = 256 * 1024;
const TEXTS = 300;
/** What a path can begin with instead of a folder's name: the script's own folder, the repository's top, or a variable. */
const OWN = "\u0001";
const TOP = "\u0002";
const VARIABLE = "\u0003";
// each has its bound, as who wrote the text may want it to take for ever
const OWN_FOLDER =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: our own mark
  /\$\([^()]{0,200}(?:\$\{?(?:0|BASH_SOURCE)|\u0001)[^()]{0,200}\)|`[^`]{0,200}\$0[^`]{0,200}`|\$\{0[^}]{0,200}\}/g;
const TOP_FOLDER = /\$\([^()]{0,200}\)|`[^`]{0,200}`|\$PWD\b|\$\{PWD\}/g;
const ANY_VARIABLE = /\$\{[^}]{0,200}\}|\$\w+/g;
const WORD = /[^\s"'`;|&()<>=,{}[\]]+/g;
/** What stands before a file that is run, or read as a script, once it is there. */
const RUNS =
  /^(?:\.|source|-x|rc:|exec|(?:ba|da|k|z)?sh|node|bun|deno|python3?|ruby|perl|php|entry:|run:|runner:)$/;
const SCRIPT = /\.(?:sh|bash|zsh|fish|py|rb|pl|php|lua|js|cjs|mjs|ts|cts|mts|ps1)$/;
/** Settings of their own that a manager's configuration names, and folders of scripts. */
const SETTINGS = /\.(?:ya?ml|toml|jsonc?|pkl)$/;
const HOOKS_FOLDER = /hooks?(?:\.d)?$|\.d$/i;

/** A file's text, as far as it is read; empty where there is none. */
export function textOf(path: string): string {
  return readFileAt(path, 0, TEXT_BYTES).toString("utf8");
}

/** The texts of a folder's own files, samples of hooks aside. */
export function textsIn(folder: string): Source[] {
  return entriesOf(folder)
    .filter((name) => !name.endsWith(".sample"))
    .map((name) => ({ text: textOf(join(folder, name)), folder }));
}

/**
 * The programs in a project that texts name, which hooks or git's own configuration run, and those that these name in turn. A name is a
 * path as it is written, from the repository's top or from the text's own folder, after whatever variable; with `settings`, files of
 * settings are followed as well. What a text would run were it there counts too. Nothing below `node_modules`, whose programs change with
 * each installation.
 */
export function namedPrograms(
  project: string,
  top: string,
  sources: readonly Source[],
  settings: readonly Source[],
): Guarded[] {
  const found = new Map<string, Guarded>();
  const queue = [
    ...sources.map((source) => ({ ...source, follows: false })),
    ...settings.map((source) => ({ ...source, follows: true })),
  ];
  const known = new Map<string, Set<string>>();
  const begins = (base: string, word: string) => {
    const [first = ""] = word.replace(/^(?:\.?\/)+/, "").split("/");
    if (first === "..") return true;
    let names = known.get(base);
    if (names === undefined) {
      names = new Set(entriesOf(base));
      known.set(base, names);
    }
    return names.has(first);
  };
  const add = (path: string, otherwise: Guarded["otherwise"]) => {
    if (found.has(path)) return false;
    found.set(path, { path, otherwise });
    return true;
  };

  for (let at = 0; at < queue.length && at < TEXTS; at++) {
    const source = queue[at];
    if (source === undefined) break;
    const { text, folder, follows } = source;
    const marked = text
      .replace(OWN_FOLDER, OWN)
      .replace(OWN_FOLDER, OWN) // around the first: $(cd "$(dirname "$0")" && pwd)
      .replace(TOP_FOLDER, TOP)
      .replace(ANY_VARIABLE, VARIABLE);
    const seen = new Set<string>();
    let before = "";
    for (const [written] of [...text.matchAll(WORD), ...marked.matchAll(WORD)]) {
      const runs = RUNS.test(before);
      before = written;
      const key = runs ? `${written} !` : written;
      if (seen.has(key)) continue;
      seen.add(key);
      const named = namedPath(written, top, folder);
      if (named === undefined) continue;
      const { path: word, bases, absentIn } = named;
      const plain = word.replace(/\/?\*.*$/, "");
      let exists = false;
      for (const base of bases) {
        const path = join(base, plain);
        if (!isCandidate(path, project) || (base !== "/" && !begins(base, plain))) continue;
        const stat = lstatSync(path, { throwIfNoEntry: false });
        if (stat === undefined) continue;
        exists = true;
        const environment = environmentAround(path, project);
        if (environment !== undefined) add(environment, "folder");
        else if (stat.isDirectory()) {
          const scripts = HOOKS_FOLDER.test(basename(path)) || (follows && word !== plain);
          if (scripts && add(path, "folder"))
            queue.push(...textsIn(path).map((each) => ({ ...each, follows })));
        } else if (isProgram(path, stat.mode) || runs || (follows && isSettings(path))) {
          if (add(path, { text: "" }))
            queue.push({ text: textOf(path), folder: dirname(path), follows: isSettings(path) });
        }
      }
      if (exists || !runs || absentIn === undefined || !isFileName(word)) continue;
      const path = join(absentIn, word);
      if (isCandidate(path, project)) add(path, { text: "" });
    }
  }
  return [...found.values()];
}

/** A word as a path: where it may be meant from, and where it would be looked for were it made. */
function namedPath(
  written: string,
  top: string,
  folder: string,
): { path: string; bases: string[]; absentIn: string | undefined } | undefined {
  const mark = written.charAt(0);
  const marked = mark === OWN || mark === TOP || mark === VARIABLE;
  const path = marked ? written.slice(1) : written.replace(/^#?!/, ""); // a script's first line, an alias
  // biome-ignore lint/suspicious/noControlCharactersInRegex: our own marks
  if (path === "" || /[\u0001-\u0003$~:]/.test(path)) return undefined;
  if (mark === OWN) return { path, bases: [folder], absentIn: folder };
  if (mark === TOP) return { path, bases: [top], absentIn: top };
  const either = top === folder ? [top] : [top, folder];
  if (mark === VARIABLE) return { path, bases: either, absentIn: undefined };
  return path.startsWith("/")
    ? { path, bases: ["/"], absentIn: undefined }
    : { path, bases: either, absentIn: top };
}

/** Whether a word reads as the name of a script, and not as one of a command's. */
const isFileName = (word: string) =>
  /^[\w./@+-]+$/.test(word) && (word.includes("/") || SCRIPT.test(word));

const isCandidate = (path: string, project: string) =>
  path !== project &&
  isWithin(path, project) &&
  !path.endsWith("/") &&
  !/(?:^|\/)(?:node_modules|\.git)(?:\/|$)/.test(relative(project, path));

const isSettings = (path: string) =>
  SETTINGS.test(path) && !/^(?:package|composer|tsconfig)\b|\block\b/.test(basename(path));

/** Whether a file is one that is run: by its rights, its name, or its first two characters. */
const isProgram = (path: string, mode: number) =>
  (mode & 0o111) !== 0 || SCRIPT.test(path) || readFileAt(path, 0, 2).toString() === "#!";

/** A Python environment in which a program lies: its modules run with it. */
function environmentAround(path: string, project: string): string | undefined {
  for (
    let folder = dirname(path);
    isWithin(folder, project) && folder !== project;
    folder = dirname(folder)
  )
    if (lstatSync(join(folder, "pyvenv.cfg"), { throwIfNoEntry: false })?.isFile()) return folder;
  return undefined;
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && "code" in error) return []; // none, or not for us
    throw error;
  }
}
