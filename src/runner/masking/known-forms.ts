/**
 * Credentials that are known by their form: how they begin, of which characters they are, and how many of those follow. The facts
 * (prefix, characters, length) are those that gitleaks' rules and the vendors publish; a name here is the rule's where it has one.
 */
type Fact = readonly [
  name: string,
  prefixes: string,
  chars: keyof typeof CHARS,
  least: number,
  /** Where more would be something else. */
  most?: number | undefined,
  /** What the characters must have, where the prefix alone says little. */
  needs?: keyof typeof NEEDS,
];

/** What a credential is made of, by the letter that the table uses. */
const CHARS = {
  a: /[A-Za-z0-9]/,
  u: /[A-Z0-9]/,
  h: /[A-Fa-f0-9]/,
  n: /[a-f0-9:/]/,
  w: /\w/,
  x: /[\w-]/,
  b: /[A-Za-z0-9+/=]/,
  d: /[\w.=-]/,
  all: /[\w.=+/~-]/,
};

const NEEDS = {
  digit: /\d/,
  mixed: /^(?=.*\d)(?=.*[a-z]).*[A-Z]/,
};

const FACTS: readonly Fact[] = [
  ["1password-secret-key", "A3-", "x", 32, 40, "digit"],
  ["1password-service-account-token", "ops_eyJ", "b", 40],
  ["adobe-client-secret", "p8e-", "a", 32],
  ["age-secret-key", "AGE-SECRET-KEY-1", "a", 20],
  ["alibaba-access-key-id", "LTAI", "a", 12, 24, "digit"],
  ["anthropic-api-key", "sk-ant-", "x", 2],
  ["artifactory-api-key", "AKCp", "a", 60],
  ["artifactory-reference-token", "cmVmd", "a", 50],
  ["asana-personal-token", "1/ 2/", "n", 40, 80, "digit"],
  ["atlassian-api-token", "ATATT3 ATCTT3 ATBB", "d", 24],
  ["aws-access-token", "AKIA ASIA ABIA ACCA", "u", 16, 16],
  ["beamer-api-token", "b_", "d", 44, 44, "digit"],
  ["clickhouse-cloud-api-secret-key", "4b1d", "a", 38, 38, "mixed"],
  ["clojars-api-token", "CLOJARS_", "a", 40],
  ["cloudflare-origin-ca-key", "v1.0-", "x", 100],
  ["databricks-api-token", "dapi", "h", 32],
  ["defined-networking-api-token", "dnkey-", "d", 40],
  ["digitalocean-token", "doo_v1_ dop_v1_ dor_v1_", "h", 20],
  ["docker-token", "dckr_pat_ dckr_oat_", "x", 20],
  ["doppler-api-token", "dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.", "d", 30],
  ["dropbox-short-lived-api-token", "sl.", "d", 80],
  ["duffel-api-token", "duffel_test_ duffel_live_", "d", 30],
  ["dynatrace-api-token", "dt0c01. dt0s01. dt0s02.", "d", 40],
  ["easypost-api-token", "EZAK EZTK", "a", 40],
  ["facebook-page-access-token", "EAAM EAAC", "a", 60],
  ["flutterwave-key", "FLWSECK_TEST- FLWPUBK_TEST- FLWSECK- FLWPUBK-", "x", 12],
  ["flyio-access-token", "fo1_ fm1a_ fm1r_ fm2_ FlyV1", "all", 40],
  ["frameio-api-token", "fio-u-", "d", 40],
  ["gcp-api-key", "AIza", "x", 20],
  ["gcp-oauth-client-secret", "GOCSPX-", "x", 20],
  ["gcp-oauth-access-token", "ya29.", "d", 20],
  ["gcp-oauth-refresh-token", "1//0", "x", 40],
  ["github-app-token", "ghu_ ghs_ ghp_ gho_ ghr_", "d", 16],
  ["github-fine-grained-pat", "github_pat_", "w", 20],
  [
    "gitlab-token",
    "glpat- gldt- glrt- glptt- glft- glcbt- glffct- glimt- glagent- gloas- glsoat-",
    "d",
    16,
  ],
  ["gitlab-rrt", "GR1348941", "x", 16],
  ["gitlab-session-cookie", "_gitlab_session=", "a", 20],
  ["gocardless-api-token", "live_", "d", 35, 60, "digit"],
  ["grafana-cloud-api-token", "glc_", "b", 32],
  ["grafana-service-account-token", "glsa_", "w", 32],
  ["harness-api-key", "pat. sat.", "d", 60],
  ["heroku-api-key-v2", "HRKU-", "x", 36],
  ["huggingface-access-token", "hf_ api_org_", "a", 30],
  ["infracost-api-token", "ico-", "a", 32],
  ["intra42-client-secret", "s-s4t2ud- s-s4t2af-", "h", 40],
  ["jwt", "eyJ", "all", 25],
  ["jwt-base64", "ZXlK", "b", 60, undefined, "mixed"],
  ["linear-api-key", "lin_api_ lin_oauth_", "a", 30],
  ["lob-api-key", "live_ test_ live_pub_ test_pub_", "h", 31],
  ["mailgun-private-api-token", "key- pubkey-", "h", 32, 32],
  ["mapbox-api-token", "pk. sk. tk.", "d", 70],
  ["new-relic-key", "NRJS- NRII- NRAK- NRRA-", "x", 19],
  ["notion-api-token", "ntn_", "a", 40],
  ["npm-access-token", "npm_", "a", 30],
  ["octopus-deploy-api-key", "API-", "a", 26, 40, "digit"],
  ["okta-access-token", "00", "x", 40, 40, "mixed"],
  ["openai-api-key", "sk-proj- sk-svcacct- sk-admin- sk-or-v1- sk-lf-", "x", 20],
  ["openai-like-key", "sk-", "x", 20, 300, "digit"],
  ["openshift-user-token", "sha256~", "x", 40],
  ["perplexity-api-key", "pplx-", "a", 40],
  ["plaid-api-token", "access-sandbox- access-development- access-production-", "x", 30],
  ["planetscale-token", "pscale_tkn_ pscale_oauth_ pscale_pw_", "d", 30],
  ["postman-api-token", "PMAK-", "x", 50],
  ["prefect-api-token", "pnu_", "a", 36],
  ["pulumi-api-token", "pul-", "h", 40],
  ["pypi-upload-token", "pypi-AgE", "x", 40],
  ["readme-api-token", "rdme_", "a", 60],
  ["replicate-api-token", "r8_", "a", 30],
  ["groq-api-key", "gsk_", "a", 40],
  ["xai-api-key", "xai-", "a", 60],
  ["rubygems-api-token", "rubygems_", "h", 40],
  ["scalingo-api-token", "tk-us- tk-fr- tk-eu-", "x", 40],
  ["sendgrid-api-token", "SG.", "d", 50],
  ["sendinblue-api-token", "xkeysib- xsmtpsib-", "x", 60],
  ["sentry-token", "sntrys_ sntryu_ sntrya_", "all", 40],
  ["settlemint-token", "sm_aat_ sm_pat_ sm_sat_", "a", 16],
  ["shippo-api-token", "shippo_live_ shippo_test_", "h", 30],
  ["shopify-token", "shpat_ shpca_ shppa_ shpss_", "h", 30],
  ["slack-app-token", "xapp-", "x", 16, 300, "digit"],
  ["slack-token", "xoxa- xoxb- xoxc- xoxd- xoxe- xoxo- xoxp- xoxr- xoxs-", "x", 8, 400, "digit"],
  ["slack-config-access-token", "xoxe.", "d", 40],
  ["sourcegraph-access-token", "sgp_ sgd_ slk_", "w", 40],
  ["square-access-token", "sq0atp- sq0csp- sq0idp-", "x", 22],
  ["square-access-token", "EAAA", "x", 40],
  ["stripe-access-token", "sk_live_ sk_test_ sk_prod_ rk_live_ rk_test_ rk_prod_ whsec_", "a", 10],
  ["supabase-token", "sbp_ sb_secret_", "x", 30],
  ["twilio-api-key", "SK AC", "h", 32, 32, "digit"],
  ["twitter-bearer-token", "AAAAAAAAAAAAAAAAAAAAAA", "all", 60, 120, "mixed"],
  ["typeform-api-token", "tfp_", "d", 50],
  ["vault-token", "hvb. hvs. hvr.", "x", 60],
  ["vault-service-token-old", "s.", "a", 24, 24, "mixed"],
  ["yandex-access-token", "t1.", "d", 86],
  ["yandex-api-key", "AQVN", "x", 35, 38, "digit"],
  ["yandex-aws-access-token", "YC", "x", 38, 38, "mixed"],
  ["private-key-in-base64", "LS0tLS1CRUdJTi", "b", 24],
  ["private-key-der", "MII", "b", 120],
  [
    "private-key-der",
    "MHcCAQEE MIGkAgEB MIGHAgEAMBMG MC4CAQAwBQYDK2Vw b3BlbnNzaC1rZXktdj",
    "b",
    24,
  ],
];

/** What is known by something in its midst; looked for only in long runs of such characters. */
const MIDST: readonly RegExp[] = [
  /[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{40,}/, // hashicorp-tf-api-token
  /[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk/, // maxmind-license-key
  /[0-9a-f]{32}-us\d{1,2}(?!\w)/, // mailchimp-api-key
  /(?:sc|ext|scauth|authress)_[a-z0-9]{5,30}\.[a-z0-9]{4,6}\.acc[_-][\w.+/=-]{40,}/, // authress
  /[a-z0-9]{11}AAAAAAAAAA[\w=-]{43}/, // dropbox-long-lived-api-token
  /sk-ant-(?:api|oat|sid|admin)\d[\w-]*/,
  /(?:gh[pousr]_|glpat-|npm_)[A-Za-z0-9]{30,}/,
  /github_pat_\w{30,}/,
  /T3BlbkFJ\w{20}/, // openai-api-key
  /[a-h0-9]{32}-[a-h0-9]{8}-[a-h0-9]{8}(?!\w)/, // mailgun-signing-key
];
/** azure-ad-client-secret: known by its fifth and sixth characters, of which the second is looked for. */
const AZURE = /^[\w~.]{3}\dQ~[\w~.-]{31,}/;
export function azureSecret(
  text: string,
  tilde: number,
): { start: number; end: number } | undefined {
  const start = tilde - 5;
  if (start < 0 || text.charCodeAt(tilde - 1) !== 0x51) return undefined;
  const found = AZURE.exec(text.slice(start, start + NEEDED_CHARS));
  return found === null ? undefined : { start, end: start + found[0].length };
}

/** A run that may hold one of those is at least so long, in UTF-16 units; of longer ones than the second the beginning is looked at. */
const MIDST_CHARS = 30;
const MIDST_LOOK_CHARS = 2000;

/** A base64 that is no secret, though it begins like one: a certificate or a public key. */
const PUBLIC_BASE64 =
  /^LS0tLS1CRUdJTi(?:BDRVJU|BQVUJMS|BSU0EgUFVC|BFQyBQVUJ|BQR1AgUFVC|BTU0gyIFBV)/;
/** RSA in DER, alone or in PKCS #8; a certificate begins otherwise. */
const PRIVATE_DER = /^MII[A-Za-z0-9+/]{3}(?:IBAAK|IBADAN)/;

interface Form {
  prefix: string;
  chars: Uint8Array;
  least: number;
  most: number;
  needs: RegExp | undefined;
}

/** For each character whether a pattern of one character takes it. */
export function charTable(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 128 }, (_, code) =>
    pattern.test(String.fromCharCode(code)) ? 1 : 0,
  );
}

const TABLES = new Map(Object.entries(CHARS).map(([name, chars]) => [name, charTable(chars)]));
const NONE = new Uint8Array(128);

/** The forms by their first two characters. */
const BY_START = new Map<number, Form[]>();
for (const [, prefixes, chars, least, most = Number.POSITIVE_INFINITY, needs] of FACTS)
  for (const prefix of prefixes.split(" ")) {
    const start = prefix.charCodeAt(0) * 128 + prefix.charCodeAt(1);
    const form: Form = {
      prefix,
      chars: TABLES.get(chars) ?? NONE,
      least,
      most,
      needs: needs && NEEDS[needs],
    };
    BY_START.set(start, [...(BY_START.get(start) ?? []), form]);
  }
/** For two characters that begin a form: a bit for each remainder of the third by eight. */
export const STARTS = new Uint8Array(128 * 128);
for (const [start, forms] of BY_START)
  for (const { prefix } of forms)
    STARTS[start] =
      (STARTS[start] ?? 0) | (prefix.length === 2 ? 0xff : 1 << (prefix.charCodeAt(2) & 7));

const WORD = charTable(/[\w-]/);
/** A form's characters are counted to so many, and looked at in so many, in UTF-16 units. */
const NEEDED_CHARS = 400;
const SAMPLE_CHARS = 160;

/** Whether a form may begin here; to be asked of each word, so cheap. */
export function mayBegin(text: string, at: number): boolean {
  if (at + 2 >= text.length) return false;
  const first = text.charCodeAt(at);
  const second = text.charCodeAt(at + 1);
  if (first > 127 || second > 127) return false;
  const thirds = STARTS[first * 128 + second] ?? 0;
  return thirds !== 0 && (thirds & (1 << (text.charCodeAt(at + 2) & 7))) !== 0;
}

/** Where the credential ends that begins at `start`; -1 where none does. */
export function formAt(text: string, start: number): number {
  const forms = BY_START.get(text.charCodeAt(start) * 128 + text.charCodeAt(start + 1)) ?? [];
  for (const { prefix, chars, least, most, needs } of forms) {
    if (!text.startsWith(prefix, start)) continue;
    const from = start + prefix.length;
    // a beginning says whether it is one: no run is gone through twice
    let end = runEnd(text, from, chars, from + NEEDED_CHARS);
    if (end - from < least || end - from > most) continue;
    const some = text.slice(start, Math.min(end, start + SAMPLE_CHARS));
    if (needs !== undefined && !needs.test(some.slice(prefix.length))) continue;
    if (prefix === "LS0tLS1CRUdJTi" && PUBLIC_BASE64.test(some)) continue;
    if (prefix === "MII" && !PRIVATE_DER.test(some)) continue;
    if (prefix === "eyJ" && !isJwt(some)) continue;
    end = runEnd(text, end, chars);
    while (text.charCodeAt(end - 1) === 0x2e) end--; // the end of a sentence
    // whatever goes on in the same word belongs to it
    return Math.max(end, runEnd(text, end, WORD));
  }
  return -1;
}

/** JSON in base64, then more behind a dot; or a long JSON alone, as some vendors have it. */
const isJwt = (text: string) =>
  /^eyJ[\w-]{8,}\.[\w-]{8,}/.test(text) || /^eyJrIjoi[A-Za-z0-9]{60,}/.test(text);

/** In a run of word characters: where a credential stands that does not begin it. */
export function formInMidst(text: string, start: number, end: number): number {
  if (end - start < MIDST_CHARS) return -1;
  const run = text.slice(start, Math.min(end, start + MIDST_LOOK_CHARS));
  let found = -1;
  for (const pattern of MIDST) {
    const at = run.search(pattern);
    if (at >= 0 && (found < 0 || at < found)) found = at;
  }
  return found < 0 ? -1 : start + found;
}

/** While it is typed, a credential is hidden from so many characters on; until then it may be any word. */
const BEGUN_CHARS = 6;
/** Prefixes of words that people type. */
const WORDLIKE =
  /^(?:live|test|key-|pubkey|access-|API|pat\.|sat\.|[a-z]{2,3}\.|1\/|00|b_|su|SK|AC|MII|EAA|v1|tk-|xai-|ico-|pul-|duffel|shippo|s\.|YC|t1)/;
/** What people type that begins like a credential, and is none. */
const NO_SECRET =
  /^(?:npm_(?:con|pac|lif|exe|nod|com|scr|int|tok)|hf_(?:hub|dat|tra|hom|tok|xet|api|end)|sk-(?:lea|ima|est|vid|top))/;

/** Whether the word from `start` to the end of the text may become a credential. */
export function formBegins(text: string, start: number): boolean {
  const word = text.slice(start, start + NEEDED_CHARS);
  const forms = BY_START.get(word.charCodeAt(0) * 128 + word.charCodeAt(1)) ?? [];
  return forms.some(
    ({ prefix, chars }) =>
      word.startsWith(prefix) &&
      word.length >= BEGUN_CHARS &&
      word.length > prefix.length &&
      runEnd(word, prefix.length, chars) === word.length &&
      (WORDLIKE.test(prefix)
        ? /\d/.test(word.slice(prefix.length)) && word.length > 8
        : !NO_SECRET.test(word)),
  );
}

/** Where a run of characters of a table ends, `limit` at most. */
export function runEnd(
  text: string,
  start: number,
  chars: Uint8Array,
  limit = text.length,
): number {
  let end = start;
  while (end < limit) {
    const code = text.charCodeAt(end);
    if (code >= 128 || chars[code] !== 1) break;
    end++;
  }
  return end;
}
