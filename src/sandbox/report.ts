import { type Exit, LIMITS } from "../types.ts";
import { hiddenSign, visibleParts } from "../visible-text.ts";
import { changedOrders, type Orders, ordersIn } from "./changes.ts";

/** Hosts that Claude Code asks for by itself, and does without: nobody needs to hear of those. */
const UNASKED =
  /(?:^|\.)(?:datadoghq\.com|sentry\.io|statsig\.com|statsig\.anthropic\.com|statsigapi\.net|downloads\.claude\.ai|mcp-proxy\.anthropic\.com)$/;
/** Where Claude Code looks for its own news as it starts: told only once it was asked for something. */
const UNASKED_AT_START: ReadonlySet<string> = new Set(["raw.githubusercontent.com", "github.com"]);
/** So many files are named at the desk. */
const NAMED = 10;

/** What people are to hear of a sandbox: what it asked for and was refused, and which files it changed that tell programs outside what to run. */
export class SandboxReport {
  readonly #refused = new Set<string>();
  readonly #unsaid = new Set<string>();
  readonly #before: Orders;
  #asked = false;
  #changes = 0;
  #end: Pick<Exit, "refused" | "changed"> | undefined;
  #onRefused: (places: string[]) => void = () => undefined;

  constructor(readonly project: string) {
    this.#before = ordersIn(project);
  }

  /** Hears all that was refused, each time that there is more. */
  set onRefused(listener: (places: string[]) => void) {
    this.#onRefused = listener;
    if (this.#refused.size > 0) listener([...this.#refused]);
  }

  /** What runs was asked for something, or is not Claude: from here on nothing that it asks for is its own. */
  asked(): void {
    this.#asked = true;
  }

  refuse(place: string): void {
    if (UNASKED.test(place) || this.#refused.has(place)) return;
    if (!this.#asked && UNASKED_AT_START.has(place)) return;
    if (this.#refused.size >= LIMITS.refusedPlaces) return;
    this.#refused.add(place);
    this.#unsaid.add(place);
    this.#onRefused([...this.#refused]);
  }

  /** A line for the desk about what was refused since it was last asked for. */
  news(): string | undefined {
    if (this.#unsaid.size === 0) return undefined;
    const line = refusedWords([...this.#unsaid]);
    this.#unsaid.clear();
    return line;
  }

  /** What the session's end tells; what changes afterwards is no longer told. */
  end(): Pick<Exit, "refused" | "changed"> {
    if (this.#end !== undefined) return this.#end;
    const all = changedOrders(this.#before, ordersIn(this.project));
    this.#changes = all.length;
    const changed = all
      .slice(0, LIMITS.changedFiles)
      .map((path) => path.slice(-LIMITS.changedChars).toWellFormed());
    this.#end = {
      ...(this.#refused.size === 0 ? {} : { refused: [...this.#refused] }),
      ...(changed.length === 0 ? {} : { changed }),
    };
    return this.#end;
  }

  /** The same as lines for the desk. */
  endWords(): string[] {
    const { refused = [], changed = [] } = this.end();
    const names = changed.slice(0, NAMED).map(visible).join(", ");
    const more = this.#changes > NAMED ? ` and ${this.#changes - NAMED} more` : "";
    return [
      ...(refused.length === 0 ? [] : [refusedWords(refused)]),
      ...(changed.length === 0
        ? []
        : [
            `the sandbox changed files that tell programs outside what to run: ${names}${more}. Read them before you go on`,
          ]),
    ];
  }
}

const refusedWords = (places: readonly string[]) =>
  `the sandbox asked for ${places.join(", ")}; allow with ${places.map((place) => `\`--sandbox-host ${place}\``).join(" ")}`;

/** A name that somebody inside chose, as it is: characters that can't be seen are shown by their code points. */
const visible = (name: string) =>
  visibleParts(name, { keep: "" })
    .map(({ text, hidden }) => text ?? hiddenSign(hidden))
    .join("");
