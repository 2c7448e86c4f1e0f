import type { Terminal } from "@xterm/headless";
import { LIMITS } from "../types.ts";
import { maskSecrets } from "./secrets.ts";

/** Links (OSC 8) that are remembered by their text: a login takes a handful of rows, each a link of its own. */
const REMEMBERED = 100;
/** A link's text must be this long to tell it apart, in UTF-16 units. */
const LABEL_CHARS = 4;

/** What the last part of a login page's path is called; `…/auth/cli/ID` is npm's and others' way. */
const LOGIN_PATH =
  /(?:^|[/_-])(?:oauth2?|auth|authorize|authorise|login|signin|sign-in|sso|device|devicelogin|activate|verify)\/?$|\/(?:auth|login)\/cli\/|\/oauth2?\/(?:v\d\/)?auth/i;
/** What OAuth and device logins ask for (RFC 6749, 7636, 8628). */
const LOGIN_QUERY = ["client_id", "code_challenge", "redirect_uri", "user_code"];

/** Where OAuth asks a person: without the client's name, and something more, there is nothing to ask (RFC 6749, 4.1.1; RFC 9126). */
const AUTHORIZE_PATH = /\/authori[sz]e\/?$/i;
/** Claude Code's own short form from 2.1.332 on: its client and scopes in a few characters, then the code challenge (SHA-256, base64url). */
const PACKED =
  /^https:\/\/(?:claude\.ai|platform\.claude\.com)\/oauth\/authorize\?[\w-]{1,4}[\w-]{43}(?:&[^\s]*)?$/;

const URL_START = /https:\/\/[^\s"'<>`│┃┆|\\^{}]+/g;
const URL_GOES_ON = /^[^\s"'<>`│┃┆|\\^{}]+$/;

/** An address that a person is to open in a browser to log in; undefined where it is something else, or holds a secret. */
export function loginAddress(text: string): string | undefined {
  // a longer one may have been cut, so it may lead elsewhere
  if (text.length > LIMITS.urlChars) return undefined;
  let end = text.length;
  while (end > 0 && ".,;:!?)]".includes(text.charAt(end - 1))) end--; // a pattern would begin anew at each of many brackets
  const trimmed = text.slice(0, end);
  if (!/^https:\/\/[\x21-\x7e]+$/.test(trimmed)) return undefined;
  const url = URL.parse(trimmed);
  if (
    url === null ||
    url.username !== "" ||
    url.password !== "" ||
    maskSecrets(trimmed) !== trimmed
  )
    return undefined;
  if (AUTHORIZE_PATH.test(url.pathname)) {
    const isWhole = url.searchParams.has("client_id") && url.searchParams.size > 1;
    return isWhole || PACKED.test(trimmed) ? trimmed : undefined;
  }
  const asks = LOGIN_QUERY.some((name) => url.searchParams.has(name));
  return asks || LOGIN_PATH.test(url.pathname) ? trimmed : undefined;
}

/** Finds login addresses on an emulator's screen: in links, whose rows need not show all of it, and in text that was wrapped. */
export function followLogins(term: Terminal) {
  const links = new Map<string, string>(); // a link's text → where it leads
  let open: { url: string; x: number; y: number } | undefined;

  term.parser.registerOscHandler(8, (data) => {
    const buffer = term.buffer.active;
    const y = buffer.baseY + buffer.cursorY;
    if (open !== undefined) {
      const label =
        buffer
          .getLine(open.y)
          ?.translateToString(true, open.x, y === open.y ? buffer.cursorX : term.cols) ?? "";
      links.delete(label);
      if (label.length >= LABEL_CHARS) links.set(label, open.url);
      for (const [oldest] of links) {
        if (links.size <= REMEMBERED) break;
        links.delete(oldest);
      }
    }
    const url = loginAddress(data.slice(data.indexOf(";") + 1));
    open = url === undefined ? undefined : { url, x: buffer.cursorX, y };
    return true; // the emulator would keep each until its row is cleared or scrolls off, and look at all of them whenever a line does
  });

  /** The login address on the screen, if there is one, and whether the screen asks for a code to be pasted. */
  return (): { url: string; pastes: boolean } | undefined => {
    const buffer = term.buffer.active;
    const rows = Array.from({ length: term.rows }, (_, y) => {
      const line = buffer.getLine(buffer.baseY + y);
      return { text: line?.translateToString(true) ?? "", wrapped: line?.isWrapped === true };
    });
    const linked = [...links].findLast(([label]) =>
      rows.some(({ text }) => text.includes(label)),
    )?.[1];
    const url = linked ?? wrappedAddress(rows, term.cols);
    return url === undefined
      ? undefined
      : {
          url,
          pastes: rows.some(({ text }) =>
            /\b(?:paste|enter)\b.{0,40}\b(?:code|token)\b/i.test(text),
          ),
        };
  };
}

/** The last login address in rows of text; a row that is full may go on in the next, wrapped by the terminal or by the program itself. */
function wrappedAddress(
  rows: readonly { text: string; wrapped: boolean }[],
  cols: number,
): string | undefined {
  let found: string | undefined;
  for (const [y, { text }] of rows.entries()) {
    for (const match of text.matchAll(URL_START)) {
      let url = match[0];
      const toTheEnd = match.index + url.length === text.length;
      for (
        let row = y;
        toTheEnd && (rows[row]?.text.length ?? 0) >= cols && url.length < LIMITS.urlChars;
        row++
      ) {
        const next = rows[row + 1];
        if (next === undefined) break;
        const more = next.wrapped
          ? (/^\S*/.exec(next.text)?.[0] ?? "")
          : URL_GOES_ON.test(next.text)
            ? next.text
            : "";
        url += more;
        if (more.length < next.text.length || more === "") break;
      }
      // in parts, what is short can't be told from what was cut off
      const joined = url.length > match[0].length;
      if (!joined || !PACKED.test(url)) found = loginAddress(url) ?? found;
    }
  }
  return found;
}
