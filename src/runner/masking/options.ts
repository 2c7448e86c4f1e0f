import { isTokenUser, isVariable, type Place, USER_CHARS } from "./addresses.ts";
import { commandBefore, programOf } from "./command.ts";

/** Programs that take `-u user:password`. */
const TAKES_USER = /^(?:curl|xh|https?|wget|ab|siege|hey)$/;
/** Programs that take `-pPASSWORD`, that take `-p PASSWORD`, and that take it where they log in. */
const TAKES_ATTACHED = /^(?:mysql\w*|mariadb\w*|sshpass|7za?|7zz|unrar|rar)$/;
const TAKES_APART = /^(?:sshpass|mongo\w*|az|cqlsh|psexec)$/;
const LOGS_IN = /^(?:docker|podman|nerdctl|buildah|skopeo|helm|az|oc)$/;

/** `user:password` behind an option, from `at` on, of the command that `dash` stands in. */
export function userPassword(text: string, dash: number, at: number): Place | undefined {
  let start = at;
  while (text.charAt(start) === " ") start++;
  if (text.charAt(start) === "=") start++;
  const quote = /["']/.exec(text.charAt(start))?.[0];
  if (quote !== undefined) start++;
  const argument =
    quote === undefined
      ? /^([^\s:"'|;&<>]{0,100}):([^\s"'|;&<>]+)/
      : /^([^\n:"']{0,100}):([^\n"']+)/;
  const match = argument.exec(text.slice(start, start + USER_CHARS));
  if (match === null) return undefined;
  const [, user = "", password = ""] = match;
  if (password.startsWith("//") || isVariable(password)) return undefined;
  if (!TAKES_USER.test(programOf(commandBefore(text, dash).words) ?? "")) return undefined;
  const from = start + user.length + 1;
  return {
    start: isTokenUser(user, password) ? start : from,
    end: from + password.length,
    ...(quote === undefined ? {} : { quote }),
  };
}

/** `-pPASSWORD` and `-p PASSWORD`, of a program that takes one. */
export function optionPassword(text: string, dash: number, at: number): Place | undefined {
  const isApart = text.charAt(at) === " ";
  let start = at;
  while (text.charAt(start) === " ") start++;
  const quote = /["']/.exec(text.charAt(start))?.[0];
  if (quote !== undefined) start++;
  const value =
    (quote === undefined ? /^[^\s"'|;&<>]+/ : /^[^\n"']+/).exec(
      text.slice(start, start + USER_CHARS),
    )?.[0] ?? "";
  if (value === "" || value.startsWith("-") || isVariable(value)) return undefined;
  const { words } = commandBefore(text, dash);
  const program = programOf(words) ?? "";
  const takes = isApart
    ? TAKES_APART.test(program) || (LOGS_IN.test(program) && words.includes("login"))
    : TAKES_ATTACHED.test(program);
  return takes
    ? { start, end: start + value.length, ...(quote === undefined ? {} : { quote }) }
    : undefined;
}
