import { opendir, stat } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { type Conversation, LIMITS, parseJson } from "../types.ts";
import { entriesOf } from "./entries.ts";
import { shortenedLine } from "./long-line.ts";
import { birthOf } from "./processes.ts";
import { fileSize, readFileAt } from "./real-file.ts";
import { isInside, realFolder } from "./roots.ts";
import { maskSecrets } from "./secrets.ts";

/** Of a transcript so much of its beginning and of its end is read, in bytes. */
const READ_BYTES = 64 * 1024;
/** So many transcripts of a folder, and so many folders, are looked at, the newest first. */
const FILES = 200;
/** So many entries of a folder are read at all. */
const ENTRIES = 10_000;
/** Claude Code cuts a longer name of a folder to so many characters and adds a hash (2.1.328). */
const NAME_CHARS = 200;

/** Lines of a transcript that name it, or the folder it is of (measured with 2.1.328). */
const Line = v.looseObject({
  cwd: v.optional(v.string()),
  customTitle: v.optional(v.string()),
  aiTitle: v.optional(v.string()),
  summary: v.optional(v.string()),
  /** The folder that it has moved to. */
  relocatedCwd: v.optional(v.string()),
  lastPrompt: v.optional(v.string()),
});

interface File {
  path: string;
  name: string;
  at: number;
}

/** What there is in a folder, the newest first; nothing where it can't be read. */
async function newest(folder: string): Promise<File[]> {
  try {
    const names: string[] = [];
    for await (const { name } of await opendir(folder)) if (names.push(name) >= ENTRIES) break;
    const files = names.map(async (name): Promise<File[]> => {
      const info = await stat(join(folder, name));
      const at = Math.max(0, Math.round(info.mtimeMs)); // a file may bear any time
      // opening a named pipe would wait for ever
      return info.isFile() || info.isDirectory() ? [{ path: join(folder, name), name, at }] : [];
    });
    const found = (await Promise.allSettled(files)).flatMap((file) =>
      file.status === "fulfilled" ? file.value : [],
    );
    return found.sort((a, b) => b.at - a.at).slice(0, FILES);
  } catch (error) {
    if (error instanceof Error && "code" in error) return [];
    throw error;
  }
}

/** The lines at a transcript's beginning and end, without those that were cut; of a first one that is long what there is besides its long texts. */
function readEnds(path: string, real: string | undefined): string[] {
  const size = fileSize(path, real) ?? 0;
  const bytes = (at: number, most: number) => readFileAt(path, at, most, real);
  const lines: string[] = [];
  let at = 0;
  while (at < size && at < READ_BYTES) {
    const head = bytes(at, READ_BYTES);
    const end = head.lastIndexOf(10);
    if (end >= 0) {
      lines.push(...head.toString("utf8", 0, end).split("\n"));
      at += end + 1;
      continue;
    }
    const long = shortenedLine(bytes, at, size);
    if (long === undefined) {
      if (at + head.length >= size) lines.push(head.toString("utf8")); // the last line, without an end
      break;
    }
    lines.push(long.line);
    at = long.end;
  }
  return size <= at
    ? lines
    : [
        ...lines,
        ...bytes(Math.max(at, size - READ_BYTES), READ_BYTES)
          .toString("utf8")
          .split("\n"),
      ];
}

/** The folder that a transcript is of, and what it may be called: its title, or what was said first. */
function look(path: string, real?: string): { cwd: string | undefined; title: string } {
  let cwd: string | undefined;
  let moved: string | undefined;
  let title: string | undefined;
  let first: string | undefined;
  let last: string | undefined;
  let isSaid = false;
  for (const text of readEnds(path, real)) {
    const line = parseJson(Line, text);
    if (line === undefined) continue;
    cwd ??= line.cwd;
    moved = line.relocatedCwd ?? moved;
    last = line.lastPrompt ?? last;
    title = line.customTitle ?? line.aiTitle ?? line.summary ?? title;
    if (first === undefined)
      for (const entry of entriesOf(text)) {
        if (entry.kind === "user") first ??= entry.text;
        isSaid ||= entry.kind === "assistant" || entry.kind === "user" || entry.kind === "note";
      }
  }
  const words = [title, first, last].find((given) => given !== undefined && given.trim() !== "");
  const plain = maskSecrets(words ?? (isSaid ? "A conversation without a title" : ""))
    .replace(/[\p{C}\p{Z}]+/gu, " ")
    .trim();
  return {
    cwd: moved ?? cwd,
    title: plain.length > LIMITS.titleChars ? `${plain.slice(0, LIMITS.titleChars - 1)}…` : plain,
  };
}

/** What can be looked at; a file that is gone by now, or not for us, is passed over. */
async function lookAt(
  files: readonly File[],
  most: number,
  take: (file: File) => Promise<boolean>,
): Promise<void> {
  let taken = 0;
  for (const file of files) {
    try {
      if (taken < most && (await take(file))) taken++;
    } catch (error) {
      if (!(error instanceof Error && "code" in error)) throw error;
    }
  }
}

/** Claude Code's own list of what runs: a file a process, named by its pid (2.1.328). */
const Running = v.object({ sessionId: v.string() });

/** The conversations that are open somewhere: two at once would write into one transcript. */
async function openNow(configDir: string): Promise<Set<string>> {
  const files = (await newest(join(configDir, "sessions"))).filter(
    ({ name }) => birthOf(Number.parseInt(name, 10)) !== undefined,
  );
  return new Set(
    files.flatMap(
      ({ path }) =>
        parseJson(Running, readFileAt(path, 0, READ_BYTES).toString("utf8"))?.sessionId ?? [],
    ),
  );
}

/** Earlier conversations that were begun in a folder (its real path), the newest first, as Claude Code keeps them; those in which nobody said anything can't be resumed. `hostile`: links in there may lead anywhere, and are not followed. */
export async function conversationsOf(
  configDir: string,
  cwd: string,
  hostile = false,
): Promise<Conversation[]> {
  const name = cwd.replace(/[^a-zA-Z0-9]/g, "-");
  const named = (other: string) =>
    name.length > NAME_CHARS ? other.startsWith(`${name.slice(0, NAME_CHARS)}-`) : other === name;
  const dir = (hostile ? await realFolder(configDir) : configDir) ?? ""; // the folder itself is not theirs to replace
  const folders = (await newest(join(dir, "projects"))).filter((folder) => named(folder.name));
  const files = (await Promise.all(folders.map(({ path }) => newest(path)))).flat();
  const running = hostile ? new Set<string>() : await openNow(configDir); // each sandbox has a list of its own
  const found: Conversation[] = [];
  await lookAt(files, LIMITS.conversations, async ({ path, name, at }) => {
    const id = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jsonl$/.exec(name)?.[1];
    const about =
      id === undefined || running.has(id) ? undefined : look(path, hostile ? path : undefined);
    // other folders have the same name here: /a-b and /a/b
    if (id === undefined || about === undefined || about.cwd !== cwd || about.title === "")
      return false;
    return found.push({ id, at, title: about.title }) > 0;
  });
  return found;
}

/** Folders inside the roots that Claude Code has worked in, the newest first. */
export async function foldersUsed(configDir: string, roots: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  const folders = await Promise.all(
    (await newest(join(configDir, "projects"))).map(({ path }) => newest(path)),
  );
  const lasts = folders
    .flatMap((files) => files.find(({ name }) => name.endsWith(".jsonl")) ?? [])
    .sort((a, b) => b.at - a.at);
  await lookAt(lasts, LIMITS.folders, async ({ path }) => {
    const { cwd } = look(path);
    const real = cwd?.startsWith("/") === true ? await realFolder(cwd) : undefined;
    if (real === undefined || !isInside(roots, real) || found.has(real)) return false;
    return found.add(real).size > 0;
  });
  return [...found];
}
