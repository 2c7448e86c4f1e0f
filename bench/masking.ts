/**
 * `bun run masking [--show] [FOLDER ...]`: measures what masking hides and what it should not. Recall: how many of gitleaks' rules with a
 * distinctive form are hidden whole. False dots: rows that change in text that has next to no secrets: git logs, man pages, lock files, the
 * environment, and the source in the folders that are named (of two large public repositories, say). Prompts: this repository's
 * own history as edits, and how many of them are dotted, or can't be approved from afar. Speed: MB a second of CPU time. `--show` prints
 * each row that was dotted. Exit code 1 where a figure misses its aim.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { maskInput, maskRows, maskSecrets } from "../src/runner/secrets.ts";
import { randomFrom } from "../test/support/random.ts";
import { ENVIRONMENT, FORMS } from "./masking-forms.ts";

const ROOT = resolve(import.meta.dir, "..");
const AIMS = {
  /** Rules of gitleaks that are hidden whole, at least. */
  rules: 115,
  /** Of this repository's edits at most this part is dotted, or can't be approved, in %. */
  dottedPercent: 0.1,
  unapprovablePercent: 0.05,
  /** MB a second of CPU time, at least. */
  mbPerSecond: 50,
};
/** Of each source at most so much is read, in UTF-16 units. */
const SOURCE_CHARS = 60e6;
/** So many credentials are made for each form. */
const SAMPLES = 20;
const MAN_PAGES = 200;
/** Rows that stand on a screen at once. */
const SCREEN_ROWS = 50;

/** Files of source and text. */
const SOURCE =
  /\.(?:ts|tsx|js|mjs|cjs|jsx|py|go|rs|c|h|cc|cpp|java|rb|php|sh|md|rst|txt|json|ya?ml|toml|html|css|sql|swift|kt)$/;

const { values, positionals } = parseArgs({
  options: { show: { type: "boolean", default: false } },
  allowPositionals: true,
});
const print = (text: string) => process.stdout.write(`${text}\n`);
let missed = 0;
const report = (name: string, figure: string, meets = true) => {
  if (!meets) missed++;
  print(`${name.padEnd(46)} ${figure}${meets ? "" : "  (misses its aim)"}`);
};

recall();
environment();
const history = run(["git", "log", "-p", "--no-merges", "-U3"]);
falseDots(history);
edits(history);
speed(history);
process.exit(missed === 0 ? 0 : 1);

/** How many rules are hidden whole, in part, or not at all. */
function recall(): void {
  const random = randomFrom(1);
  const kinds: Record<string, string> = {
    h: "0123456789abcdef",
    d: "0123456789",
    l: "abcdefghijklmnopqrstuvwxyz",
    u: "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    s: "abcdefghijklmnopqrstuvwxyz0123456789",
    a: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
  };
  kinds.w = `${kinds.a}_`;
  kinds.x = `${kinds.a}_-`;
  kinds.p = `${kinds.s}=_-`;
  kinds.b = `${kinds.a}+/`;
  const make = (form: string) =>
    form.replace(/\{([a-z])(\d+)\}/g, (_, kind: string, count: string) =>
      Array.from({ length: Number(count) }, () => random.pick([...(kinds[kind] ?? "")])).join(""),
    );
  const found = { whole: 0, part: 0, not: 0 };
  for (const [rule, ...forms] of FORMS) {
    const seen = forms.flatMap((form) =>
      Array.from({ length: SAMPLES }, (_, i) => {
        const made = make(form);
        const text = made.includes("‹")
          ? made
          : ([`‹${made}›`, `x = "‹${made}›"`, `use ‹${made}› now`][i % 3] ?? "");
        const secret = /‹([^›]*)›/.exec(text)?.[1] ?? "";
        const at = text.indexOf("‹");
        const shown = maskSecrets(text.replace(/[‹›]/g, "")).slice(at, at + secret.length);
        const left = shown.replaceAll("•", "").replace(/\\n|[/@]/g, "").length;
        if (left > 0 && values.show) print(`  ${rule}: ${shown}`);
        return left === 0 ? "whole" : shown.includes("•") ? "part" : "not";
      }),
    );
    found[
      seen.every((how) => how === "whole")
        ? "whole"
        : seen.every((how) => how === "not")
          ? "not"
          : "part"
    ]++;
  }
  report(
    `rules of gitleaks with a distinctive form (${FORMS.length})`,
    `${found.whole} whole, ${found.part} in part, ${found.not} not`,
    found.whole >= AIMS.rules,
  );
}

function environment(): void {
  const lines = ENVIRONMENT.trimEnd().split("\n");
  const readable = lines.slice(1).filter((line) => {
    const secret = /‹([^›]*)›/.exec(line)?.[1] ?? line.slice(line.indexOf("=") + 1);
    return maskSecrets(line.replace(/[‹›]/g, "")).includes(secret);
  });
  report(
    `secrets of an .env that can be read (of ${lines.length - 1})`,
    String(readable.length),
    readable.length === 0,
  );
}

/** Rows of real text that are dotted, of a million. */
function falseDots(log: string): void {
  const sources: [string, () => string][] = [
    ["this repository's log", () => log],
    ["man pages", manPages],
    [
      "lock files",
      () =>
        filesOf(
          ROOT,
          /(?:^|\/)(?:bun\.lock|package-lock\.json|yarn\.lock|pnpm-lock\.yaml|go\.sum|Cargo\.lock|poetry\.lock|uv\.lock)$/,
          true,
        ) +
        positionals
          .map((folder) => filesOf(folder, /\.lock$|-lock\.(?:json|yaml)$|go\.sum$/, true))
          .join("\n"),
    ],
    ["the environment", () => run(["env"])],
    ...positionals.map((folder): [string, () => string] => [folder, () => filesOf(folder, SOURCE)]),
  ];
  for (const [name, read] of sources) {
    const rows = read().split("\n");
    let dotted = 0;
    for (const row of rows) {
      const masked = maskSecrets(row);
      if (masked === row) continue;
      dotted++;
      if (values.show) print(`  ${row.trim().slice(0, 200)}\n  ${masked.trim().slice(0, 200)}`);
    }
    report(
      `dotted rows: ${name}`,
      `${dotted} of ${rows.length}, ${Math.round((dotted * 1e6) / rows.length)} a million`,
    );
  }
}

/** Each change of this repository's history as an edit that somebody would approve; tests have made-up secrets, which are dotted as they should. */
function edits(log: string): void {
  let file = "";
  const isTest = () => /^test\/|^bench\/masking/.test(file);
  let tests = 0;
  let count = 0;
  let dotted = 0;
  let unapprovable = 0;
  for (const hunk of log.split(/^(?=diff --git |@@ )/m)) {
    const name = /^\+\+\+ b\/(.*)$/m.exec(hunk)?.[1];
    if (hunk.startsWith("diff ")) {
      file = name ?? "";
      continue;
    }
    if (!hunk.startsWith("@@ ") || /\.lock$|\.patch$/.test(file)) continue;
    const lines = hunk
      .split("\n")
      .slice(1)
      .filter((line) => /^[ +-]/.test(line));
    const side = (sign: string) =>
      lines
        .filter((line) => line.startsWith(" ") || line.startsWith(sign))
        .map((line) => line.slice(1))
        .join("\n");
    const edit = { file_path: `/home/me/${file}`, old_string: side("-"), new_string: side("+") };
    const { input, opaque } = maskInput(edit);
    const isDotted = JSON.stringify(input) !== JSON.stringify(edit);
    if (isTest()) {
      if (isDotted) tests++;
      continue;
    }
    count++;
    if (opaque) unapprovable++;
    if (!isDotted) continue;
    dotted++;
    if (values.show) {
      const shown = `${input.new_string}`.split("\n");
      const plain = edit.new_string.split("\n");
      for (const [i, line] of plain.entries())
        if (shown[i] !== line) print(`  ${opaque ? "no " : ""}${file}: ${line.trim()}`);
    }
  }
  const percent = (part: number) => (part * 100) / count;
  report(
    `edits of this repository that are dotted (${count})`,
    `${percent(dotted).toFixed(3)} %, and ${tests} of its tests`,
    percent(dotted) <= AIMS.dottedPercent,
  );
  report(
    "edits that can't be approved from afar",
    `${percent(unapprovable).toFixed(3)} %`,
    percent(unapprovable) <= AIMS.unapprovablePercent,
  );
}

function speed(log: string): void {
  const text = log.slice(0, 20e6);
  const rows = text.split("\n").map((row) => Buffer.from(row).toString("utf8"));
  const measure = (name: string, work: () => void) => {
    work();
    const best = Math.max(
      ...Array.from({ length: 3 }, () => {
        const before = process.cpuUsage();
        work();
        const { user, system } = process.cpuUsage(before);
        return text.length / (user + system);
      }),
    );
    report(`MB a second of CPU time: ${name}`, best.toFixed(0), best >= AIMS.mbPerSecond);
  };
  measure("row by row", () => {
    for (const row of rows) maskSecrets(row);
  });
  const screens = Array.from({ length: Math.ceil(rows.length / SCREEN_ROWS) }, (_, i) =>
    rows
      .slice(i * SCREEN_ROWS, (i + 1) * SCREEN_ROWS)
      .map((payload) => ({ payload, continues: false })),
  );
  measure("screens", () => {
    for (const screen of screens) maskRows(screen, 120);
  });
}

function run(command: string[]): string {
  const { stdout } = Bun.spawnSync(command, {
    cwd: ROOT,
    stderr: "ignore",
    env: { ...process.env, MANWIDTH: "100", MAN_KEEP_FORMATTING: "" },
  });
  return stdout.toString();
}

function manPages(): string {
  const dir = "/usr/share/man/man1";
  const names = readdirIn(dir).filter((name) => /\.1(?:\.gz)?$/.test(name));
  const step = Math.max(1, Math.floor(names.length / MAN_PAGES));
  return names
    .filter((_, i) => i % step === 0)
    .map((name) => run(["man", "-P", "cat", join(dir, name)]))
    .join("\n");
}

/** The text of a folder's files of a kind. */
function filesOf(folder: string, kind: RegExp, withModules = false): string {
  const parts: string[] = [];
  let chars = 0;
  const visit = (dir: string) => {
    for (const name of readdirIn(dir)) {
      const path = join(dir, name);
      if (chars > SOURCE_CHARS || name === ".git" || (name === "node_modules" && !withModules))
        continue;
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat?.isDirectory() === true) visit(path);
      else if (stat?.isFile() === true && kind.test(path) && stat.size < 2e6) {
        const text = readFileSync(path, "utf8");
        parts.push(text);
        chars += text.length;
      }
    }
  };
  visit(folder);
  return parts.join("\n");
}

function readdirIn(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch (error) {
    if (error instanceof Error && "code" in error) return [];
    throw error;
  }
}
