import bcd, {
  type CompatStatement,
  type Identifier,
  type SimpleSupportStatement,
} from "@mdn/browser-compat-data";
import { OLDEST_BROWSERS } from "../../public/browsers.ts";

/** One use of something that a browser may lack. */
export interface Use {
  file: string;
  line: number;
  /** As it is called in the source. */
  name: string;
  /** Where browser-compat-data may tell about it; the first path that it has counts. */
  paths: string[];
  /** The code looks whether it is there before. */
  guarded: boolean;
}

type Browser = keyof typeof OLDEST_BROWSERS;
const BROWSERS = Object.entries(OLDEST_BROWSERS) as [Browser, string][];

/** The entry at a path such as "api.URL.parse_static"; undefined where the data has none. */
export function entryAt(path: string): Identifier | undefined {
  let at: Identifier | undefined = bcd as unknown as Identifier;
  for (const part of path.split("/")) {
    if (at === undefined || !Object.hasOwn(at, part)) return undefined;
    at = at[part];
  }
  return at;
}

export function statementAt(path: string): CompatStatement | undefined {
  return entryAt(path)?.__compat;
}

/** Which of the oldest browsers lack what the statement is about, with the version that has it. */
export function lacking(statement: CompatStatement): string[] {
  return BROWSERS.flatMap(([browser, oldest]) => {
    const support = statement.support[browser];
    if (support === undefined) return [];
    const since = [support]
      .flat()
      .filter((statement) => isPlain(statement, oldest))
      .map(({ version_added }) => version_added || "never");
    if (since.some((version) => version !== "never" && isAtMost(version, oldest))) return [];
    return [`${browser} ${oldest} (there since: ${since[0] ?? "never"})`];
  });
}

/** Support under its own name, if only in part: neither behind a flag, nor taken out again. */
const isPlain = (statement: SimpleSupportStatement, oldest: string) =>
  statement.flags === undefined &&
  statement.prefix === undefined &&
  statement.alternative_name === undefined &&
  (typeof statement.version_removed !== "string" || !isAtMost(statement.version_removed, oldest));

function isAtMost(version: string, limit: string): boolean {
  if (version === "preview") return false;
  const parts = (text: string) => text.replace("≤", "").split(".").map(Number);
  const [wanted, most] = [parts(version), parts(limit)];
  for (const [i, part] of wanted.entries()) {
    const other = most[i] ?? 0;
    if (part !== other) return part < other;
  }
  return true;
}

/** What the oldest browsers lack, a line each: "public/app.css:12 color-mix(): chrome 109 (there since: 111)". */
export function findLacking(uses: readonly Use[]): string[] {
  return uses
    .flatMap(({ file, line, name, paths, guarded }) => {
      if (guarded) return [];
      const told = paths.map(statementAt).filter((statement) => statement !== undefined);
      const lacks = told.map(lacking);
      // of several owners of a name, such as the interfaces with a mixin, one that has it is enough
      if (lacks.length === 0 || lacks.some((browsers) => browsers.length === 0)) return [];
      return [`${file}:${line} ${name}: ${lacks[0]?.join(", ")}`];
    })
    .filter((line, i, all) => all.indexOf(line) === i);
}

/** How many different things the data tells about: a walk that finds nothing checks nothing. */
export const countKnown = (uses: readonly Use[]): number =>
  new Set(uses.flatMap(({ paths }) => paths.filter((path) => statementAt(path) !== undefined)))
    .size;

/** Whether a version of Firefox had extended support. */
export function isEsr(version: string): boolean {
  return bcd.browsers.firefox.releases[version] !== undefined && Number(version) % 13 === 10;
}
