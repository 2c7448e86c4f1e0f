import { formAt } from "./known-forms.ts";

/** A user's name and a password are at most so long, in UTF-16 units. */
export const USER_CHARS = 300;

/** A credential's place in an address or an option. */
export interface Place {
  start: number;
  end: number;
  quote?: string;
}

/** A user's name that is itself the token: `TOKEN:x-oauth-basic`. */
export const isTokenUser = (user: string, password: string): boolean =>
  /^(?:x-oauth-basic|x|)$/.test(password) ||
  (/^[0-9a-f]{8,}$/i.test(user) && /\d/.test(user)) ||
  (user.length >= 16 && /\d/.test(user) && /[A-Za-z]/.test(user) && !/[.@]/.test(user)) ||
  (user.length > 3 && formAt(user, 0) > 0);

/** Addresses that are a credential as a whole: whoever knows them may post there. */
const WEBHOOK =
  /^(?:hooks\.slack\.com\/(?:services|workflows|triggers)\/[\w+/]{20,}|[a-z0-9-]+\.webhook\.office\.com\/webhookb2\/[\w@/-]{60,}|(?:canary\.|ptb\.)?discord(?:app)?\.com\/api\/webhooks\/\d+\/[\w-]{40,}|api\.telegram\.org\/bot\d+:[\w-]{30,})/;
/** `user:password@`, as it stands behind `//`; a password may have a slash where an @ comes after all. */
const USER_INFO = /^([^\s/:@?#"'<>`]{0,200})(?::([^\s/@"'<>`]{0,200}))?@/;
/** Names that a server's users have, which are no token. */
const USER = /^[a-z][a-z.-]{0,15}$/i;

/** What stands behind `//`, from `at` on: a password, a token, or a webhook's address. */
export function addressSecret(text: string, at: number, typed: boolean): Place | undefined {
  const head = text.slice(at, at + USER_CHARS);
  const match = USER_INFO.exec(head);
  if (match !== null) {
    const [, user = "", password = ""] = match;
    const from = at + user.length;
    if (password === "" || password === "x-oauth-basic")
      return USER.test(user) || isPlaceholder(user) || !isTokenUser(user, "-")
        ? password !== "" && !isPlaceholder(user) && user !== ""
          ? { start: at, end: from }
          : undefined
        : { start: at, end: from + (password === "" ? 0 : password.length + 1) };
    const ownToken = isTokenUser(user, password) && !isPlaceholder(user);
    if (isPlaceholder(password)) return ownToken ? { start: at, end: from } : undefined;
    return { start: ownToken ? at : from + 1, end: from + 1 + password.length };
  }
  const webhook = WEBHOOK.exec(head)?.[0];
  if (webhook !== undefined) {
    const scheme = /https?:\/\/$/i.exec(text.slice(Math.max(0, at - 8), at))?.[0] ?? "";
    return { start: at - scheme.length, end: at + webhook.length };
  }
  return typed ? begunPassword(head, at, text.length) : undefined;
}

/** While it is typed, a password has no @ behind it. */
function begunPassword(head: string, at: number, length: number): Place | undefined {
  const [, user = "", password = ""] = /^([^\s/:@]{0,100}):([^\s/@]+)$/.exec(head) ?? [];
  if (password === "" || at + head.length < length || /^\d{1,5}$/.test(password)) return undefined;
  // a host and its port
  if (isPlaceholder(password) || /\.|^localhost$|^\[/.test(user)) return undefined;
  return { start: at + user.length + 1, end: at + head.length };
}

/** What stands for a value that is somewhere else. */
export const isVariable = (text: string): boolean =>
  /^(?:\$[\w{(]|&lt;|\{\{?|%[\w(]|<|\[|`|[*•.…]+$|x{3,}$)|\$\{|\{\{/.test(text);

/** What documents and scripts have in a password's place. */
const isPlaceholder = (text: string): boolean =>
  isVariable(text) ||
  /^(?:password|pass|passwd|pwd|pw|secret|token|user|username|PASSWORD|PASS|TOKEN|SECRET|USER)$|^(?:your|my|the)[-_]/.test(
    text,
  );
