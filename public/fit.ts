import { RequestError, send } from "./api.ts";
import type { Identity } from "./keys.ts";

/** A taken-over size may take this long to arrive; other columns after that mean that somebody else has taken it, in ms. */
const ARRIVES_MS = 2000;

/** Takes a session's size over for this screen, follows it when it is turned, and notices when somebody else has the size. */
export function openFit(
  identity: Identity,
  session: string,
  capacity: () => { cols: number; rows: number },
  onChange: (on: boolean) => void,
) {
  let fitted: { cols: number; rows: number } | undefined;
  let askedAt = 0;
  const ask = (body: object) => {
    askedAt = performance.now();
    send(identity, "POST", `/api/sessions/${session}/resize`, JSON.stringify(body)).catch(
      (error: unknown) => {
        if (!(error instanceof RequestError)) throw error;
        release();
      },
    );
  };
  const release = () => {
    fitted = undefined;
    onChange(false);
  };
  const fit = (on: boolean) => {
    fitted = on ? capacity() : undefined;
    onChange(on);
    ask(fitted ?? { cols: null });
  };
  const turned = () => {
    if (fitted !== undefined && capacity().cols !== fitted.cols) fit(true);
  };
  window.addEventListener("resize", turned);
  return {
    fit,
    /** A screen of so many columns was drawn. */
    drawn(cols: number): void {
      if (fitted !== undefined && cols !== fitted.cols && performance.now() - askedAt > ARRIVES_MS)
        release();
    },
    close(): void {
      window.removeEventListener("resize", turned);
      if (fitted !== undefined) ask({ cols: null });
    },
  };
}
