import { charTable } from "./known-forms.ts";
import { isEnvName, type Telling } from "./telling-names.ts";

/** How a name and its value stand to each other. */
export type Separator =
  /** `name=value` */
  | "="
  /** `name = value`, `name := value`, `name => value` */
  | "spaced"
  | ":"
  /** `--name value` */
  | "option"
  /** `<name>value</name>` */
  | "xml";

/** A value that is a secret: from `start` to `end`. */
export interface Value {
  start: number;
  end: number;
  /** Where a shell ends it, when that is before `end`. */
  wordEnd?: number;
  /** The quote that it stands in. */
  quote?: string;
}

/** A value is looked for on so much of its line, in UTF-16 units. */
const VALUE_CHARS = 8192;
/** Of an identifier so much is looked at, in UTF-16 units. */
const NAME_CHARS = 200;

/** What stands for a value that is somewhere else, or for none. */
const REFERENCE =
  /^(?:\$[\w{(<[!?@*]|`|<[^<>\s]{1,60}>|<(?:your|my|the|insert|enter)\b|\{\{|\$\{|#\{|%[\w({][^%\s]{0,60}[%)}]?$|%[sdvq](?!\w)|@[\w.]{1,60}@|[*•.…?_-]+$|[xX]{3,}$|\[[\w .:-]{0,60}\]$|(?:process|import\.meta|os|env|ENV|Bun|Deno|System|config|secrets?|vars?|settings|self|this|options|args|opts|params|props|data|req|request|ctx|context|event|input|state|user|account|body|headers|response|result|local|module|output|each|outputs|steps|needs|github|inputs)(?:\??\.|\[|::|->)|(?:op|vault|aws-?sm|ssm|keyring|secret|file|env|gcp-?sm|doppler|bws|ref\+\w+):)/;
/** Words of languages and formats that stand where a value would. */
const KEYWORD =
  /^(?:true|false|null|nil|none|undefined|void|never|any|unknown|object|str|string|int|integer|number|float|double|bool|boolean|bytes?|byte\[\]|buffer|char|bigint|symbol|date|list|dict|map|array|tuple|optional|required|requires|yes|no|on|off|read|write|admin|enabled?|disabled?|include|omit|inherit|same-origin|basic|bearer|digest|masked|hidden|redacted|text|password|x-oauth-basic|varchar|uuid|file|stdin|prompt|auto|default|new|await|async|typeof|function|return|if|else|for|in|of|not|and|or|is|to|the|this|self|value|set|unset|empty|missing|invalid|valid|expired|wrong|incorrect|correct|failed|ok|error|changeset|todo|tbd|n\/a|var|let|const|type|path|name|key|secret|token)$/i;
/** What English has behind an option's name in a sentence. */
const PROSE =
  /^(?:and|or|is|to|in|for|with|flags?|options?|arguments?|values?|if|when|the|can|must|instead|are|was|will|on|as|parameters?|from|that|has|not|by|of|at|then|would|should|may|it|which|both|a|an|via|using|be|but|so|than|this|until|before|after|into|only|also)[,.;:)]?$/i;
/** Names of algorithms and versions: letters and digits that are no secret. */
const TERM =
  /^(?:(?:sha|base|utf|md|v|int|uint|float|aes|hs|rs|es|ps|ed|x|ripemd|crc|oauth|http|tls|ipv|p|k8s|s3|ec2|i18n|l10n)-?_?\d+[a-z]*|.*\d{4}-\d\d-\d\d.*)$/i;
const PATH = /^(?:%[a-z]\/|\.{0,2}\/|~\/|[A-Za-z]:\\|[a-z][a-z+.-]{0,20}:\/\/|@[./~\w-]*\/)/i;
const IDENTIFIER = /^[A-Za-z_$][\w$]*(?:(?:\.|\?\.|::|->)[A-Za-z_$][\w$]*)*$/;
const TELLS = /pass(?:w|phrase)|secret|token|api_?key|credential|cookie/i;

const NOT_SPACE = charTable(/[^\s]/);
const NOT_QUOTE = charTable(/[^\s"'`]/);
const SHELL_WORD = charTable(/[^\s"'`;|&<>()]/);
const QUERY = charTable(/[^\s"'`;|&<>()#,]/);

/** Where a run of such characters ends; whatever is not ASCII belongs to it, but for a frame's lines. */
function runUntil(text: string, start: number, chars: Uint8Array): number {
  const last = Math.min(text.length, start + VALUE_CHARS);
  let end = start;
  for (; end < last; end++) {
    const code = text.charCodeAt(end);
    if (code < 128 ? chars[code] !== 1 : code === 0xa0 || (code >= 0x2500 && code < 0x2580)) break;
  }
  return end;
}

/** Letters and digits together, or a sign beside letters: no word of a language. */
const looksSecret = (word: string, least = 6): boolean =>
  word.length >= least &&
  !TERM.test(word) &&
  /[A-Za-z]/.test(word) &&
  (/\d/.test(word) || /[!@#%^&*+/=~?$]/.test(word.replace(/^[@#!]|[!?,.;:]+$/g, "")));

/** A label or a sentence, not a secret, though it stands in quotes. */
const isLabel = (text: string, name: string): boolean =>
  KEYWORD.test(text) ||
  TELLS.test(text) ||
  text.toLowerCase() === name.toLowerCase() ||
  /^[A-Z].* .*[a-z]|[a-z] .*[.?!:…]$/.test(text) ||
  /^[\s\W_]*$/.test(text) ||
  PATH.test(text);

/** A program shows its beginning and end alone: `sk-ant-...wxyz`. */
const ABBREVIATED = /^[\w-]{0,16}(?:\.{3}|…|\*{3,}|•{3,})[\w-]{0,8}$/;
/** The same with so much of the end that it has to be hidden. */
const SHORTENED = /^[\w-]{0,16}(?:\.{3}|…)(?=[\w-]{9,}$)/;
const isReference = (text: string): boolean =>
  text === "" ||
  REFERENCE.test(text) ||
  text.includes("…") ||
  ABBREVIATED.test(text) ||
  /^(?:your|my|the|some|example|dummy|fake|sample|insert|enter|replace)[-_ ]/i.test(text) ||
  /\$\{|\{\{|#\{|^\{[\w.]+\}$|^\$\(/.test(text);

/** Where the line ends that `at` is on, as far as it is looked at. */
function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  const far = Math.min(text.length, at + VALUE_CHARS);
  return end < 0 || end > far ? far : end;
}

/** The value of a telling name, from `at` on; undefined where it is no secret. `typed`: more may be written at the end of the text. */
export function valueAt(
  text: string,
  at: number,
  from: number,
  name: string,
  telling: Exclude<Telling, undefined>,
  separator: Separator,
  typed: boolean,
): Value | undefined {
  let start = at;
  while (start < at + 40 && (text.charCodeAt(start) === 0x20 || text.charCodeAt(start) === 0x09))
    start++;
  if (start > at && separator === "=") return undefined; // an empty one
  if (start >= text.length) return undefined;
  if (/[rbfuRBFU]/.test(text.charAt(start)) && /["']/.test(text.charAt(start + 1))) start++;
  if (telling === "environment" && separator !== "=") return undefined;
  const quote = /^\\?["'`]/.exec(text.slice(start, start + 2))?.[0];
  const opener = openerBefore(text, from, name);
  if (quote !== undefined && separator !== "xml")
    return quote === opener ? undefined : quotedValue(text, start, quote, name, telling, separator);
  if (telling === "cookie" || telling === "authorization")
    return separator !== "spaced" && separator !== "xml"
      ? headerValue(text, start, telling, opener)
      : undefined;
  if (separator === "xml") return xmlValue(text, start, name, typed);
  const sample = text.slice(start, start + NAME_CHARS);
  if (REFERENCE.test(/^\S*/.exec(sample)?.[0] ?? "")) return undefined;
  switch (separator) {
    case "=":
      return assigned(text, start, from, name, telling, opener, typed);
    case "option":
      return optionValue(text, start, name);
    default:
      return opener === undefined
        ? written(text, start, from, name, telling, separator, typed)
        : headerField(text, start, telling, opener);
  }
}

/** The quote right before a name, where it goes on beyond the name: `"X-API-Key: value"`. */
function openerBefore(text: string, from: number, name: string): string | undefined {
  const before = text.charAt(from - 1);
  const goesOn = /["'`]/.test(before) && text.charAt(from + name.length) !== before;
  return goesOn ? before : undefined;
}

function quotedValue(
  text: string,
  at: number,
  quote: string,
  name: string,
  telling: Telling,
  separator: Separator,
): Value | undefined {
  const start = at + quote.length;
  const line = lineEnd(text, start);
  let end = text.indexOf(quote, start);
  while (end > 0 && end < line && quote.length === 1 && text.charAt(end - 1) === "\\")
    end = text.indexOf(quote, end + 1);
  const closed = end >= 0 && end <= line;
  if (!closed) end = line;
  const content = text.slice(start, end);
  if (telling === "authorization" || telling === "cookie")
    return headerValue(text, start, telling, quote.slice(-1));
  if (isReference(content)) return undefined;
  const least = /^(?:pass|pwd)$/i.test(name) ? 6 : 8;
  if (telling === "weak" && !(looksSecret(content, least) && /\d|=$/.test(content)))
    return undefined;
  if (telling === "weak" && (TERM.test(content) || PATH.test(content))) return undefined;
  const isEnv = isEnvName(name) && (separator === "=" || separator === "spaced");
  if (!isEnv && isLabel(content, name)) return undefined;
  return { start, end, quote };
}

/** A header as an argument: to the quote that it began with. */
function headerField(
  text: string,
  start: number,
  telling: Telling,
  opener: string,
): Value | undefined {
  const end = quoteEnd(text, start, opener);
  const content = text.slice(start, end);
  if (isReference(content) || KEYWORD.test(content) || content.includes(" ")) return undefined;
  if (telling === "weak" && !looksSecret(content, 8)) return undefined;
  return { start, end, quote: opener };
}

function quoteEnd(text: string, start: number, quote: string): number {
  const line = lineEnd(text, start);
  const end = text.indexOf(quote, start);
  return end < 0 || end > line ? line : end;
}

const SCHEME =
  /^(?:bearer|basic|token|digest|apikey|api-key|negotiate|ntlm|hawk|jwt|aws4-hmac-sha256|key|splunk|bot|ssws|discogs|genie-?key|googlelogin)\s{1,4}/i;

/** The value of `Authorization` or `Cookie`: to the end of the quote that it stands in, or of the line. */
function headerValue(
  text: string,
  given: number,
  telling: "authorization" | "cookie",
  opener: string | undefined,
): Value | undefined {
  const line = opener === undefined ? lineEnd(text, given) : quoteEnd(text, given, opener);
  const scheme = SCHEME.exec(text.slice(given, given + 40))?.[0] ?? "";
  const start = given + (telling === "authorization" ? scheme.length : 0);
  const end = telling === "cookie" ? line : Math.min(line, runUntil(text, start, NOT_QUOTE));
  const content = text.slice(start, end).trimEnd();
  if (content === "" || REFERENCE.test(content) || isReference(content)) return undefined;
  if (telling === "cookie")
    return /^[\w.$-]{1,80}=[^\s=]/.test(content)
      ? { start, end: start + content.length, ...(opener && { quote: opener }) }
      : undefined;
  const plain = content.replace(/[,;]+$/, "");
  // a sentence, a type, a call: `authorization: none`
  if (scheme === "" && (plain.length < 8 || !looksSecret(plain, 8) || /[()[\]{}]/.test(plain)))
    return undefined;
  if (
    scheme !== "" &&
    (KEYWORD.test(plain) || PROSE.test(plain) || (/^[a-z]+$/.test(plain) && plain.length < 12))
  )
    return undefined;
  // Digest and AWS4 have fields, of which each may be one
  return /^(?:digest|aws4|googlelogin)/i.test(scheme)
    ? { start, end: line, ...(opener && { quote: opener }) }
    : { start, end: start + plain.length, ...(opener && { quote: opener }) };
}

function xmlValue(text: string, start: number, name: string, typed: boolean): Value | undefined {
  const line = lineEnd(text, start);
  const end = text.indexOf("<", start);
  const closed = end >= 0 && end < line && text.startsWith("</", end);
  if (!closed && !(typed && end < 0)) return undefined;
  const content = text.slice(start, closed ? end : line);
  return isReference(content) || isLabel(content, name) || /[{}]/.test(content)
    ? undefined
    : { start, end: closed ? end : line };
}

/** `name=value`. */
function assigned(
  text: string,
  start: number,
  from: number,
  name: string,
  telling: Telling,
  opener: string | undefined,
  typed: boolean,
): Value | undefined {
  const before = text.slice(Math.max(0, from - 40), from);
  const lead = before.slice(before.lastIndexOf("\n") + 1);
  const isLine =
    from - 40 <= 0 || before.includes("\n") || lead.length < 40
      ? /^[\s│⎿+\-|>]{0,30}(?:\d+[\s:│+-]{1,6})?(?:export\s+|set\s+|declare\s+-x\s+|\$env:|ENV\s+|ARG\s+)?$/i.test(
          lead,
        )
      : false;
  if (isEnvName(name) && isLine && opener === undefined) {
    const line = lineEnd(text, start);
    const comment = text.slice(start, line).search(/\s#|\s*│|\s{3,}/);
    const end = start + (comment < 0 ? text.slice(start, line).trimEnd().length : comment);
    const content = text.slice(start, end);
    if (
      isReference(content) ||
      /^(?:true|false|null|none|yes|no|on|off)$/i.test(content) ||
      PATH.test(content) ||
      /^\(|^[\w.]*\(/.test(content)
    )
      return undefined;
    return {
      start,
      end,
      wordEnd: Math.min(end, runUntil(text, start, SHELL_WORD)),
    };
  }
  const inQuery = /[?&]$/.test(lead);
  let end = runUntil(text, start, inQuery ? QUERY : SHELL_WORD);
  if (!inQuery && (isEnvName(name) || /(?:^|\s)--?$/.test(lead)))
    end = runUntil(text, start, NOT_QUOTE);
  const after = text.charAt(end);
  let word = text.slice(start, Math.min(end, start + VALUE_CHARS));
  const trimmed = word.replace(/[,;)\]}]+$/, "");
  const cut = trimmed.length < word.length;
  if (cut) {
    word = trimmed;
    end = start + word.length;
  }
  if (isReference(word) || PATH.test(word)) return undefined;
  if (isEnvName(name) || inQuery) {
    if ((KEYWORD.test(word) && !(typed && end === text.length)) || /^[\w.]*\(/.test(word + after))
      return undefined;
    if (inQuery && telling === "weak" && !looksSecret(word, 8)) return undefined;
    return {
      start,
      end,
      wordEnd: Math.min(end, runUntil(text, start, SHELL_WORD)),
    };
  }
  if (KEYWORD.test(word) || /^[({[]/.test(word) || after === "(" || TELLS.test(word))
    return undefined;
  if (/^[\w.]*[([]/.test(word)) return undefined;
  if (CONNECTION.test(before)) return { start, end };
  if (IDENTIFIER.test(word) && (cut || /[,;)\]}]/.test(after) || /[.:>]/.test(word)))
    return undefined;
  if (/^\d+$/.test(word) && (word.length < 4 || telling === "weak")) return undefined;
  if (telling === "weak" && !looksSecret(word, 8)) return undefined;
  return { start, end };
}

/** A connection string, which goes on: `Server=db;Uid=sa;`. */
const CONNECTION = /(?:^|[;"'])\s*[A-Z][\w ]{1,40}=[^;\n=]{1,200};\s*$/;

/** `--name value`. */
function optionValue(text: string, start: number, name: string): Value | undefined {
  const end = runUntil(text, start, SHELL_WORD);
  const word = text.slice(start, Math.min(end, start + VALUE_CHARS)).replace(/[\])}]+$/, "");
  if (
    word === "" ||
    /^[-[({<]/.test(word) ||
    isReference(word) ||
    PATH.test(word) ||
    PROSE.test(word)
  )
    return undefined;
  if (KEYWORD.test(word) || /^[A-Z_]+$/.test(word) || word === name || /^(?:@|\/dev\/)/.test(word))
    return undefined;
  if (/^(?:pass(?:word|phrase)?|secret|token|key|api[-_]?key)s?[,.:;)]?$/i.test(word))
    return undefined;
  return { start, end: start + word.length };
}

/** `name: value` and `name = value`, without quotes: a literal in YAML and INI, and in most languages a variable. */
function written(
  text: string,
  start: number,
  from: number,
  name: string,
  telling: Telling,
  separator: Separator,
  typed: boolean,
): Value | undefined {
  const end = runUntil(text, start, NOT_SPACE);
  const word = text.slice(start, Math.min(end, start + VALUE_CHARS));
  const rest = text.slice(end, Math.min(lineEnd(text, end), end + 80)).trim();
  const alone = rest === "" || rest.startsWith("#") || rest.startsWith("│");
  const shortened = SHORTENED.exec(word)?.[0];
  if (shortened !== undefined) return { start: start + shortened.length, end };
  if (word === "" || isReference(word) || PATH.test(word) || KEYWORD.test(word)) return undefined;
  if (/[,;({[]$|^[({[!&*|>"'`]|^-?\d+[.,]?$/.test(word) || /^[\w$.]+(?:\(|\[|\?\.|<)/.test(word))
    return undefined;
  const secret: Value = { start, end };
  const lead = text.slice(Math.max(0, from - 60), from);
  const isLine = /(?:^|\n)[\s│⎿+\-|>]{0,40}(?:\d+[\s:│+-]{1,6})?$/.test(lead) || lead.length === 0;
  // a header has no variables; what is being typed is not yet what it will be
  if (separator === ":" && telling === "strong" && alone)
    if (/^x-/i.test(name) || (typed && isLine && end === text.length)) return secret;
  if (IDENTIFIER.test(word)) {
    if (/[.:>]/.test(word) || TELLS.test(word) || word.toLowerCase() === name.toLowerCase())
      return undefined;
    if (!alone) return undefined;
    if (/\d/.test(word))
      return looksSecret(word) &&
        (isLine || telling === "strong" || looksSecret(word, 10)) &&
        !/^[A-Z][a-z]+\d+[A-Z]\w+$/.test(word)
        ? secret
        : undefined;
    if (!isLine || telling !== "strong") return undefined;
    // in YAML a word is a word; elsewhere it is a variable or a type
    if (isEnvName(name)) return /^[A-Z]/.test(word) ? undefined : secret;
    return separator === ":" && /^[a-z]{4,}$/.test(word) ? secret : undefined;
  }
  if (/["'`()[\]{}<>;]|=>|&&|\|\|/.test(word)) return undefined;
  if (/^[\w$]+(?:\.[\w$]+)+\.?$|^[\w-]+(?:\.[a-z]{2,6})$/.test(word)) return undefined;
  if (alone)
    return telling === "strong"
      ? /[A-Za-z\d]/.test(word) &&
        word.length >= 4 &&
        !/^[a-z]+(?:[-/:][a-z]+)+[.,:;]?$/i.test(word)
        ? secret
        : undefined
      : looksSecret(word, 8)
        ? secret
        : undefined;
  return telling === "strong" &&
    looksSecret(word.replace(/[.,:;!?]+$/, ""), 8) &&
    /\d/.test(word) &&
    /[A-Za-z]/.test(word) &&
    separator === ":"
    ? secret
    : undefined;
}

/** Whether a field of JSON is a secret, by its name and what it holds; from where on. */
export function fieldSecret(name: string, telling: Telling, text: string): number | undefined {
  if (telling === undefined || isReference(text)) return undefined;
  if (telling === "authorization") return SCHEME.exec(text.slice(0, 40))?.[0].length ?? 0;
  if (telling === "cookie") return 0;
  if (telling === "weak") return looksSecret(text, 8) && !PATH.test(text) ? 0 : undefined;
  return KEYWORD.test(text) || text.toLowerCase() === name.toLowerCase() || PATH.test(text)
    ? undefined
    : 0;
}
