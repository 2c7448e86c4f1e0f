/** What the name of a value says about it. */
export type Telling =
  /** A secret, whatever it looks like: `password`, `API_KEY`, `X-API-Key`. */
  | "strong"
  /** A secret where it looks like one: `token`, `auth`. */
  | "weak"
  /** A secret in an environment, and in code the name of anything. */
  | "environment"
  /** A header whose value has a scheme before it: `Authorization`. */
  | "authorization"
  /** A header that is a secret as a whole: `Cookie`. */
  | "cookie"
  | undefined;

/** What a name says besides: which one of several it is. Left out at its end. */
const WHICH =
  /(?:[_.-]?\d{1,3}|[_.-](?:old|new|prod|production|dev|stage|staging|test|live|base64|b64|value|plain|default|primary|secondary|prev|previous|current|next|data))+$/i;

/** Names that end so are of a secret, in any spelling: `dbPassword`, `DB_PASSWORD`, `db-password`, `dbpassword`. */
const STRONG =
  /(?:passw(?:or)?d|passwort|passphrase|passcode|secret|secret_key_base|api_?key|apikey|(?:access|auth|refresh|bearer|api|id|session|security|oauth|bot|app|deploy|personal|private|csrf|xsrf|service|admin|registry|webhook|github|gitlab|npm|vault|slack|discord|telegram|user|client|job|jwt|gh|hf|ci|cd)_?token)$/;
/** Of these a part before them is asked for: `DB_PASS`, not `pass`. */
const STRONG_PART = /(?:^|_)[a-z\d]+_(?:pass|pwd|pw)$/;
/** Kinds of keys that are secret. */
const KEY =
  /(?:^|_)(?:api|secret|private|access|account|encryption|encrypt|decryption|signing|sign|signature|master|auth|authorization|shared|service|deploy|licen[cs]e|webhook|storage|session|client|hmac|aes|rsa|jwt|admin|cipher|crypto|vault|integration|subscription|function|app|application|stripe|openai|anthropic|sendgrid|mailgun|twilio|github|gitlab|google|azure|aws|gcp|datadog|sentry|algolia|maps|rails|cookie|token|password|account_?key|secret_?key|access_?key|service_?role|role|anon)_?key$/;
/** An environment's names are of secrets unless they are of one of these kinds. */
const OTHER_KEY =
  /(?:^|_)(?:public|pub|publishable|primary|foreign|cache|sort|partition|routing|row|index|unique|search|hot|shortcut|group|object|compose|map|lookup|idempotency|translation|registry|meta|config|env|store|storage|default|tab|any|no|arrow|page|modifier|prefix|name|id|type|on|per|by|of|the|state|query|param|local|react|item|data|select|sub|super|alt|ctrl|shift|escape|enter|delete|backspace|space|return|home|end|insert|function|press|pressed|each|last|first|left|right|up|down|dict|json|field|column|table|section|attr|property|event|message|feature|flag|setting|settings|option|options|context|metadata|label|annotation|tag|resource|symbol)_key$/;
const WEAK =
  /(?:^|_)(?:token|auth|pass|pwd|secrets|credentials?|creds|cookie|jwt|bearer|pincode|dsn)$/;
const WEAK_WORD = /[a-z](?:token|auth)$/;

/** The working folder, and other names that end like a secret's; systemd's `LoadCredential` names a file. */
const NO_SECRET =
  /^(?:init_cwd|no_auth|requires?_auth|use_auth|is_auth|with_auth|has_auth|needs_auth|skip_auth|enable_auth|.*(?:_|^)(?:max|min|num|count|total|per|stop|eos|bos|pad|unk|cls|sep|mask|n|next|prev|page|cancel(?:lation)?|continuation|abort|syntax|parse|lex)_?tokens?|show_?password|has_?password|forgot_?password|reset_?password|change_?password|no_?password|ask_?password|require_?password|(?:next|page|sync|cursor|cancellation|continuation)_?token|.*_secret_name|(?:load|import)_credential)$/;

/** Names repeat, so what they say is remembered for so many. */
const REMEMBERED = 5000;
const known = new Map<string, Telling>();

/** What a name of at most some 80 characters says of its value. */
export function tellingName(name: string): Telling {
  const before = known.get(name);
  if (before !== undefined || known.has(name)) return before;
  const told = judge(name);
  if (known.size >= REMEMBERED) known.clear();
  known.set(name, told);
  return told;
}

function judge(given: string): Telling {
  const name = given.replace(/^[-.]+|[-.]+$/g, "");
  // the last part of a path of names: spring.datasource.password, process.env.TOKEN
  const last = name.slice(name.lastIndexOf(".") + 1).replace(WHICH, "");
  const words = last
    .replace(/([a-z\d])([A-Z])/g, "$1_$2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1_$2")
    .replaceAll("-", "_")
    .toLowerCase();
  if (/^(?:proxy_)?authorization$/.test(words)) return "authorization";
  if (/^(?:set_)?cookie$/.test(words) && /^(?:set-)?cookie$/i.test(last)) return "cookie";
  if (/^(?:OLD)?PWD$/.test(last) || NO_SECRET.test(words)) return undefined;
  if (STRONG.test(words) || STRONG_PART.test(words) || KEY.test(words)) return "strong";
  if (isEnvName(last) && last.includes("_") && /_(?:token|pass|pwd|jwt)$/.test(words))
    return "strong";
  if (isEnvName(last) && /_(?:auth|cookie|pat|sas|pin)$/.test(words)) return "environment";
  if (isEnvName(last) && /_key$/.test(words) && !OTHER_KEY.test(words)) return "environment";
  if (/^(?:TOKEN|PASS|AUTH_TOKEN)$/.test(last)) return "strong";
  return WEAK.test(words) || WEAK_WORD.test(words) ? "weak" : undefined;
}

/** As variables of an environment are written. */
export const isEnvName = (name: string): boolean => /^[A-Z][A-Z\d_]*$/.test(name);

/** A name that no secret can end with is told from its last two characters; to be asked of each separator, so cheap. */
export function mayTell(text: string, end: number): boolean {
  if (end < 2) return false;
  const last = text.charCodeAt(end - 1);
  const before = text.charCodeAt(end - 2);
  return last < 128 && before < 128 && ENDS[before * 128 + last] === 1;
}
/** The last two characters of telling names and of what `WHICH` leaves out, in any case. */
const ENDS = new Uint8Array(128 * 128);
for (const [
  before = "",
  last = "",
] of "rd wd rt se de et ts en ey ls al ds ss pw at as in th on ie id wt er sn ld ew od ev ge ng st ve 64 ue lt ry us nt xt ta".split(
  " ",
))
  for (const a of [before, before.toUpperCase()])
    for (const b of [last, last.toUpperCase()]) ENDS[a.charCodeAt(0) * 128 + b.charCodeAt(0)] = 1;
for (let before = 0x2d; before < 128; before++)
  for (let digit = 0x30; digit < 0x3a; digit++) ENDS[before * 128 + digit] = 1;
