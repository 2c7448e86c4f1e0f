import { isOpen, type Prompt, type SessionSummary } from "../src/types.ts";
import { isLive } from "./bar.ts";
import { type Card, promptCard } from "./card.ts";
import { baseName, el, sandboxTag } from "./dom.ts";
import { isolated } from "./fault.ts";
import type { Identity } from "./keys.ts";
import { known } from "./known.ts";
import { visibleName } from "./visible.ts";

/** What was written to go along with a rejection, by prompt, while no view shows its card. */
const drafts = new Map<string, string>();

export type Deck = ReturnType<typeof openDeck>;

/**
 * The prompts that a view knows, and the cards in `place` that stand for them: `only` one session's, or all, each with a link to its
 * own. `onMoved`: what stands below may have moved under the thumb.
 */
export function openDeck(
  identity: Identity,
  place: HTMLElement,
  sessionOf: (id: string) => SessionSummary | undefined,
  only?: string,
  onMoved: () => void = () => undefined,
) {
  const { prompts } = known; // with what the last view knew
  for (const [id, prompt] of prompts) if (!isOpen(prompt)) prompts.delete(id);
  const cards = new Map<string, Card>();

  /** A card that shrinks or goes moves the others: none of them takes the tap that was meant for it. */
  const armAll = () => {
    for (const card of cards.values()) card.arm();
    onMoved();
  };

  const deal = (prompt: Prompt, old?: Card) => {
    const session = sessionOf(prompt.session);
    const from =
      session === undefined || only !== undefined
        ? undefined
        : el(
            "a",
            { class: "from", attrs: { href: `#/s/${session.id}` } },
            ...(session.sandbox ? [sandboxTag()] : []),
            el("bdi", {}, ...visibleName(baseName(session.cwd))),
            " ›",
          );
    const gone = () => {
      card.close();
      card.element.remove();
      cards.delete(prompt.id);
      prompts.delete(prompt.id);
      armAll();
    };
    const card = promptCard(identity, prompt, from, gone, {
      words: old?.words() ?? drafts.get(prompt.id) ?? "",
      changed: old !== undefined,
    });
    drafts.delete(prompt.id);
    cards.set(prompt.id, card);
    if (old === undefined) place.append(card.element);
    else {
      old.close();
      old.element.replaceWith(card.element);
      armAll();
    }
    onMoved();
  };

  const here = () =>
    [...prompts.values()].filter(({ session }) => only === undefined || session === only);

  const deck = {
    take(prompt: Prompt): void {
      prompts.set(prompt.id, prompt);
    },

    /** What is known now: the answer to a request that begins now says nothing about what comes later. */
    known: () => new Set(prompts.keys()),

    /** Takes the server's whole list of what is shown here, as of when `known` was all: what it no longer holds was settled while we were away. */
    takeAll(listed: readonly Prompt[], known: ReadonlySet<string>): void {
      for (const prompt of here()) {
        if (
          isOpen(prompt) &&
          known.has(prompt.id) &&
          !listed.some((other) => other.id === prompt.id)
        )
          prompts.set(prompt.id, { ...prompt, state: "withdrawn" });
      }
      for (const prompt of listed) {
        const newer = prompts.get(prompt.id);
        if (newer === undefined || isOpen(newer)) prompts.set(prompt.id, prompt); // what is settled stays so
      }
    },

    /** The sessions that have an open card here. */
    asking: () => new Set([...prompts.values()].filter(isOpen).map(({ session }) => session)),

    /** Presses a button of the one card that is open. */
    press(action: "approve" | "reject"): void {
      const open = [...cards].filter(([id]) => isOpen(prompts.get(id) ?? { state: "expired" }));
      if (open.length === 1) open[0]?.[1].press(action);
    },

    /** The sessions' open prompts that are shown here. */
    open: () => here().filter(isOpen).length,

    /** The view is closed. */
    close(): void {
      for (const [id, card] of cards) {
        if (card.words() !== "" && isOpen(prompts.get(id) ?? { state: "expired" }))
          drafts.set(id, card.words());
        card.close();
      }
    },

    /** Brings the cards up to date, oldest first; one that stands there never moves. */
    draw(): void {
      for (const prompt of here().sort((a, b) => a.created_at - b.created_at))
        isolated(() => {
          const known = cards.get(prompt.id);
          if (isOpen(prompt) && known?.view !== prompt.view) deal(prompt, known);
          else if (known?.update(prompt)) armAll();
        }, undefined);
      deck.enable();
    },

    /** Only what is shown as it is may be acted on, and only where somebody is there to take the answer. */
    enable(): void {
      for (const [id, card] of cards) {
        const away = sessionOf(prompts.get(id)?.session ?? "")?.status === "offline";
        card.enable(
          isLive() && !away,
          away && only === undefined
            ? "The machine is not connected. This can be answered here once it is."
            : "",
        );
      }
    },
  };
  return deck;
}
