import type { Pairing } from "../runner/link.ts";
import { addressOf } from "../runner/pairing.ts";
import { deliverLeft } from "../runner/rest.ts";
import { explainSystemError } from "../system/system-error.ts";
import { lenientConfig, loadConfig } from "./config.ts";
import { pairingPath, undeliveredDir } from "./places.ts";

/** A server that has gone is looked for only after the program has started, in ms. */
const LOOK_AFTER_MS = 300;
/** So long a session waits for the first answer of a server elsewhere before its program starts, in ms: a refusal comes at once. */
const FIRST_ANSWER_MS = 100;

/**
 * Keeps an eye on the server for a session or a runner: a server of this machine's own is started again where it has
 * died, what waits on disk goes to it once it is there, and why it can't be reached is known in words.
 */
export class ServerWatch {
  readonly #pairing: Pairing;
  /** Why the last attempt to connect failed; undefined while the server is there. */
  #lost: { reason: string; lasting: boolean } | undefined;
  /** Why this machine's own server could not be started. */
  #notStarted: string | undefined;
  #looks = false;
  #heard = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #first = Promise.withResolvers<void>();

  constructor(pairing: Pairing) {
    this.#pairing = pairing;
    if (pairing.embedded === true)
      this.#timer = setTimeout(
        () => this.#look(({ findHome }) => findHome(loadConfig())),
        LOOK_AFTER_MS,
      );
  }

  /** Whether the server has been there at all. */
  get wasHeard(): boolean {
    return this.#heard;
  }

  /** An attempt to connect has failed. */
  readonly lost = (reason = "", lasting = false): void => {
    this.#lost = { reason, lasting };
    this.#first.resolve();
    if (this.#pairing.embedded === true)
      this.#look(({ reviveServer }) => reviveServer(loadConfig()));
  };

  /** The server is there, whoever started it. */
  readonly heard = (): void => {
    const isBack = !this.#heard || this.#lost !== undefined;
    this.#lost = this.#notStarted = undefined;
    this.#heard = true;
    this.#first.resolve();
    if (isBack) deliverLeft(undeliveredDir(), this.#pairing);
  };

  readonly address = (): string => addressOf(pairingPath(), this.#pairing);

  /** Why a session that is about to start is not seen, as far as that is known at once. */
  async atStart(): Promise<string | undefined> {
    if (this.#pairing.embedded === true) return this.#strangerHere();
    await Promise.race([this.#first.promise, Bun.sleep(FIRST_ANSWER_MS)]);
    return this.#lost && this.#words(this.#lost.reason);
  }

  /** Why a session was not seen at its end. */
  async atEnd(): Promise<string | undefined> {
    clearTimeout(this.#timer);
    if (this.#pairing.embedded !== true) return this.#lost && this.#words(this.#lost.reason);
    // a server that is only being started is nothing to complain of
    const lasting = this.#lost?.lasting === true ? this.#lost.reason : undefined;
    return this.#notStarted ?? (this.#lost && (await this.#strangerHere())) ?? lasting;
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  async #strangerHere(): Promise<string | undefined> {
    const { strangerAt } = await import("./embedded.ts");
    return strangerAt(lenientConfig().data, this.#pairing);
  }

  #words(reason: string): string {
    const moved = this.#lost?.lasting === true || reason.includes("can't be reached");
    return moved
      ? `${reason.replace(/[^.?!]$/, "$&.")} If the server has moved, \`claude-remote pair LINK\` with a link from it keeps sessions and history.`
      : reason;
  }

  #look(find: (embedded: typeof import("./embedded.ts")) => Promise<unknown>): void {
    if (this.#looks) return;
    this.#looks = true;
    import("./embedded.ts")
      .then(find)
      .then(() => {
        this.#notStarted = undefined;
      })
      .catch((error: unknown) => {
        this.#notStarted = error instanceof Error ? explainSystemError(error) : String(error);
      })
      .finally(() => {
        this.#looks = false;
      });
  }
}
