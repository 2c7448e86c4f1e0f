/** What is told with an event: ids, addresses, numbers, names of devices. Never what a session shows, runs or asks. */
export type Fields = Record<string, string | number | null | undefined>;
export type Log = (level: "info" | "warn" | "error", event: string, fields?: Fields) => void;
/** A JSON object a line, for programs, or words, for people. */
export type LogForm = "text" | "json";

/** A field may have this many UTF-16 units: some come from whoever connects. */
const FIELD_CHARS = 200;

/** Controls and marks of direction that JSON leaves as they are: in a terminal they could paint something else. */
const HIDDEN = /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const visible = (text: string) =>
  text.replace(HIDDEN, (hidden) => `\\u${hidden.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Writes events as lines. */
export function openLog(form: LogForm, write: (line: string) => void): Log {
  return (level, event, fields = {}) => {
    const at = new Date().toISOString();
    const given = Object.entries(fields).flatMap(([name, value]): [string, string | number][] =>
      value === undefined || value === null
        ? []
        : [[name, typeof value === "string" ? value.slice(0, FIELD_CHARS) : value]],
    );
    if (form === "json")
      return write(visible(JSON.stringify({ at, level, event, ...Object.fromEntries(given) })));
    const words = given.map(
      ([name, value]) =>
        `${name}=${/^[\w.:/@-]+$/.test(String(value)) ? value : visible(JSON.stringify(value))}`,
    );
    write(
      [at, ...(level === "info" ? [] : [level]), event.replaceAll("_", " "), ...words].join(" "),
    );
  };
}

/** An error without its message where that may quote what was searched for, sent or stored: its code, and where in our code it arose. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const code = "code" in error ? String(error.code) : error.name;
  const trouble = /^(SQLITE_(FULL|IOERR|READONLY|BUSY|CORRUPT|CANTOPEN|NOTADB)|E[A-Z]+$)/.test(
    code,
  );
  if (trouble) return `${code}: ${error.message}`;
  const place = /\bat .*$/m.exec(error.stack ?? "")?.[0] ?? "";
  return `${code} ${place}`.trim();
}
