import { commandBefore, programOf } from "./command.ts";
import type { Secret } from "./finder.ts";
import { formAt } from "./known-forms.ts";
import { maskStrings } from "./strings.ts";
import { dots, secretsIn } from "./text.ts";

/** Why something can't be approved from afar. */
export const OPAQUE_NOTE =
  "Dots stand for what looks like a secret, and could hide part of what is asked: from here it can only be rejected. Approve it at the desk.";

/**
 * What a person decides on, masked. Dots stand only where nothing but a credential can be; a host, a path, a script, a package, a
 * branch, an image, an option and a program are shown as they are. `opaque`: dots stand elsewhere too, so that somebody who sees
 * them does not know what they approve.
 */
export function maskInput(input: Record<string, unknown>): {
  input: Record<string, unknown>;
  opaque: boolean;
} {
  let opaque = false;
  const masked = maskStrings(input, (text, field) => {
    const shown = maskDecided(text, field);
    opaque ||= shown.opaque;
    return shown.text;
  });
  return { input: masked, opaque };
}

/** A text that a person decides on, masked. `field` is the name it stands under; `credential` for a question about one. */
export function maskDecided(text: string, field = ""): { text: string; opaque: boolean } {
  let masked = "";
  let at = 0;
  let opaque = false;
  const isCommand = field === "command";
  for (const secret of secretsIn(text)) {
    const verdict = verdictOn(text, secret, field);
    if (verdict === "shown") continue;
    const end = isCommand && verdict === "credential" ? (secret.wordEnd ?? secret.end) : secret.end;
    opaque ||= verdict === "opaque" || end > (secret.wordEnd ?? end);
    masked += text.slice(at, secret.start) + dots(text.slice(secret.start, end));
    at = end;
  }
  return at === 0 ? { text, opaque: false } : { text: masked + text.slice(at), opaque };
}

type Verdict = "shown" | "credential" | "opaque";

function verdictOn(text: string, secret: Secret, field: string): Verdict {
  switch (secret.by) {
    case "place":
      return onPlace(text, secret, field);
    case "form":
      if (field === "credential" && isAlone(text, secret)) return "credential";
      if (isValueOfName(text, secret)) return "credential";
      return NAMING_FIELD.test(field) || isNamed(text, secret, field) ? "shown" : "opaque";
    case "key":
      return "opaque";
    default:
      return secret.by satisfies never;
  }
}

/** Nothing here that a shell acts on. */
const INERT = /^[\w+/=.~@%^,:!#*?-]+$/;
/** A script, a host, a package with its version: `evil.sh`, `evil.example`, `left-pad@1.3.0`. */
const NAMES_SOMETHING =
  /^[\w-]+(?:\.[\w-]+)*\.(?:[a-z]{2,10}|\d{1,3})$|^@?[\w.-]+(?:\/[\w.-]+)?@[\w.^~-]+$|^[\w-]+(?:\.[\w-]+)+:\d+/i;

function onPlace(text: string, secret: Secret, field: string): Verdict {
  const { start, name, quote } = secret;
  const end = field === "command" ? (secret.wordEnd ?? secret.end) : secret.end;
  const value = text.slice(start, end);
  if (value === "") return "shown";
  const isForm = formAt(value, 0) === value.length;
  if (name !== undefined && !isForm) {
    if (NAMES_SOMETHING.test(value)) return "shown";
    // base64 has slashes, and so has a path
    if (
      value.includes("/") &&
      !(value.length >= 20 && /\d/.test(value) && /[a-z]/.test(value) && /[A-Z]/.test(value))
    )
      return "opaque";
  }
  if (name !== undefined && isUsed(text, name, end)) return "opaque";
  if (INERT.test(value)) return "credential";
  return quote !== undefined && isWholeQuote(text, start, value, quote) ? "credential" : "opaque";
}

/** Whether a variable that is set here is used elsewhere than for a credential. */
function isUsed(text: string, name: string, from: number): boolean {
  if (!/^\w+$/.test(name)) return false;
  const uses = text.slice(from).matchAll(new RegExp(`\\$(?:\\{[!#]?|env:)?${name}(?!\\w)`, "g"));
  for (const { index } of uses)
    if (!CREDENTIAL_BEFORE.test(text.slice(Math.max(0, from + index - 80), from + index)))
      return true;
  return false;
}
/** What stands before a variable that is used for a credential. */
const CREDENTIAL_BEFORE =
  /(?:\b(?:bearer|basic|token)\s+["']?|(?:pass\w*|secret|token|key|pwd|auth)["']?\s*[:=]\s*["']?|--(?:[\w-]*-)?(?:password|token|secret|key|pass)[= ]["']?|:\/\/[^\s/@]*|-u\s*["']?[^\s:"']*:)$/i;

/**
 * Whether a value in quotes ends where it seems to: the quotes are the shell's own, and nothing in them is run. Comments and
 * here-documents may have quotes that are none, so nothing is told of what stands behind one.
 */
function isWholeQuote(text: string, start: number, value: string, quote: string): boolean {
  if (/["'`\\\n]|\$[({]/.test(value)) return false;
  if (quote.length !== 1) return false;
  const before = text.slice(0, start);
  if (/#|<<|\$'|\\/.test(before)) return false;
  let open = "";
  let opened = -1;
  for (const { 0: sign, index } of before.matchAll(/["']/g)) {
    if (open === "") {
      open = sign;
      opened = index;
    } else if (open === sign) open = "";
  }
  if (open !== quote) return false;
  // the quote that is open here began right before the value, or before the header that it is the value of
  return /^["'](?:[\w-]{1,80}\s*:\s*|[\w.@-]{0,100}:)?(?:(?:bearer|basic|token|digest)\s+)?$/i.test(
    before.slice(opened),
  );
}

/** What has the form of a credential is one also behind names that say less: `const KEY = "…"`. */
function isValueOfName(text: string, { start, end }: Secret): boolean {
  const name = NAME_BEFORE.exec(text.slice(Math.max(0, start - WORD_CHARS), start))?.[1];
  return (
    name !== undefined &&
    /^(?:$|[\s"'`,;)}])/.test(text.slice(end, end + 1)) &&
    !isUsed(text, name, end)
  );
}
const NAME_BEFORE =
  /([\w.-]{0,60}(?:key|token|secret|pass|password|cred|credentials?|auth)s?\d?)["'\]]?\s{0,20}(?::=|=>|[:=])\s{0,20}["'`]?$/i;

/** A word of its own. */
const isAlone = (text: string, { start, end }: Secret) =>
  /^$|[\s"'(]/.test(text.charAt(start - 1)) && /^(?:$|[\s"').,;?!])/.test(text.slice(end, end + 1));

/** Fields that name something: what stands there is shown, whatever it looks like. */
const NAMING_FIELD =
  /^(?:.*_)?(?:file_?path|path|paths|file|files|filename|dir|directory|folder|cwd|url|uri|urls|host|hostname|domain|server|endpoint|branch|ref|tag|image|package|packages|module|script|program|executable|repo|repository|subagent_type|skill)$/i;

/** Programs whose arguments name something: a package, a branch, an image, a script, a host, a file. */
const NAMING_PROGRAM =
  /^(?:npm|pnpm|yarn|bunx?|npx|deno|node|tsx|pip3?|pipx|uvx?|poetry|conda|gem|bundle|cargo|go|apt|apt-get|dpkg|brew|dnf|yum|rpm|apk|pacman|snap|flatpak|composer|dotnet|nuget|git|gh|glab|hg|svn|docker|podman|nerdctl|kubectl|helm|terraform|ssh|scp|sftp|rsync|curl|wget|nc|ncat|telnet|ping|dig|host|nslookup|sh|bash|zsh|dash|fish|ksh|python[\d.]*|ruby|perl|php|java|source|\.|exec|eval|sudo|doas|env|nohup|time|timeout|xargs|command|make|just|cd|rm|rmdir|cp|mv|ln|mkdir|touch|chmod|chown|cat|less|tail|head|open|code|vim?|nano|tar|unzip|systemctl|service|kill|killall|pkill|crontab|tmux|screen|watch|which|install|ansible\w*|serverless|vercel|netlify|heroku|fly|wrangler)$/;

/** Whether what looks like a credential names something here, or is part of such a name. */
function isNamed(text: string, { start, end }: Secret, field: string): boolean {
  if (/^https?:/.test(text.slice(start, start + 6))) return false; // a webhook's address, dotted out as a whole
  let from = start;
  while (
    from > 0 &&
    start - from < WORD_CHARS &&
    !/[\s"'`;|&<>()=,{}[\]]/.test(text.charAt(from - 1))
  )
    from--;
  const before = text.slice(from, start);
  if (/[./@+~%-]$/.test(before) || /^[./@]/.test(text.slice(end))) return true;
  if (field !== "command") return false;
  if (/:$/.test(before) || /^:/.test(text.slice(end))) return true;
  if (before !== "" || text.charAt(from - 1) === "=") return false;
  if (/(?<!<<)[<>]\s*["']?$/.test(text.slice(Math.max(0, from - 8), from))) return true; // into a file, or from one
  if (/<<</.test(text.slice(Math.max(0, from - 8), from))) return false; // what a program reads
  const { words, part } = commandBefore(text, from);
  if (part !== "") return false; // within an argument in quotes
  const program = programOf(words);
  if (program === undefined) return /^["']?\s+\S/.test(text.slice(end)); // a program with arguments
  return NAMING_PROGRAM.test(program);
}

/** A word of a command is looked at to so many characters, in UTF-16 units. */
const WORD_CHARS = 300;
