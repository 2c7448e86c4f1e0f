import { type Client, RequestError } from "./client.ts";

/** A size that was taken over may take this long to arrive; another after that means that somebody else has it, in ms. */
const ARRIVES_MS = 2000;

interface Size {
  cols: number;
  rows: number;
}

export type Fit = ReturnType<typeof openFit>;

/** Takes a session's size over for this terminal, follows it, and notices when somebody else has the size: the rule of the dashboard. */
export function openFit(
  client: Client,
  session: string,
  room: () => Size,
  onTrouble: (words: string) => void,
) {
  let fitted: Size | undefined;
  let drawn: Size | undefined;
  let askedAt = 0;

  const ask = (body: Size | { cols: null }): Promise<unknown> => {
    askedAt = Number.POSITIVE_INFINITY; // until it is answered
    return client.send("POST", `/api/sessions/${session}/resize`, body).then(
      () => {
        askedAt = performance.now();
      },
      (error: unknown) => {
        if (!(error instanceof RequestError)) throw error;
        fitted = undefined;
        onTrouble(`The size stays as it is: ${error.message}`);
      },
    );
  };
  const set = (on: boolean) => {
    fitted = on ? room() : undefined;
    return ask(fitted ?? { cols: null });
  };

  return {
    /** Whether it has the size that was wanted for it here: somebody else may have taken it back. */
    get on() {
      return fitted !== undefined && fitted.cols === drawn?.cols && fitted.rows === drawn.rows;
    },
    set,
    /** This terminal has another size now. */
    resized(): void {
      const { cols, rows } = room();
      if (fitted !== undefined && (cols !== fitted.cols || rows !== fitted.rows)) void set(true);
    },
    /** A screen of this size was drawn. */
    drawn({ cols, rows }: Size): void {
      drawn = { cols, rows };
      if (
        fitted !== undefined &&
        (cols !== fitted.cols || rows !== fitted.rows) &&
        performance.now() - askedAt > ARRIVES_MS
      )
        fitted = undefined;
    },
    /** The connection is back: a server that was started anew does not know whose size it is. */
    renew(): void {
      if (fitted !== undefined) void ask(fitted);
    },
    /** Gives it back. */
    async close(): Promise<void> {
      if (fitted !== undefined) await set(false);
    },
  };
}
