import { RequestError } from "../../src/attach/client.ts";
import { sha256hex } from "../../src/auth.ts";
import type { Prompt } from "../../src/types.ts";
import type { Clock } from "./clock.ts";
import type { Step } from "./schedule.ts";
import type { World } from "./world.ts";

/** A wait takes so many turns of the loop at most: the clock goes faster for it. */
const WAIT_TURNS = 30;

/** Does what a schedule says, one step after the other. */
export function openActor(world: World, clock: Clock) {
  const { house, program, page, follow, client, typing, requests } = world;
  const { wire } = house;
  let taps = 0;
  let tokens = 0;
  let said = 0;
  const prompts = new Map<string, Prompt>(); // all that any viewer has ever seen, in this order
  const returned: string[] = []; // by the page
  const attached: string[] = [];

  const notice = () => {
    for (const prompt of [...page.prompts(), ...follow.open()])
      if (!prompts.has(prompt.id)) prompts.set(prompt.id, prompt);
  };
  /** A tap carries words of its own, so that what the program is told names the tap. */
  const tap = (
    by: "page" | "attach",
    prompt: Prompt,
    action: "approve" | "reject",
    stale: boolean,
  ) => {
    const words = `tap ${++taps}${stale && action === "approve" ? " stale" : ""}`;
    const shown = sha256hex(stale ? `${prompt.view} ` : prompt.view);
    const answers = prompt.kind === "question" ? { answers: [{ options: [], text: words }] } : {};
    const body = action === "approve" ? { shown, ...answers } : { message: words };
    const target = `/api/prompts/${prompt.id}/${action}`;
    const sending =
      by === "page" ? page.send(target, JSON.stringify(body)) : client.send("POST", target, body);
    sending.catch((error: unknown) => {
      if (!(error instanceof RequestError) && !page.isRefusal(error)) throw error; // what it was answered is on record
    });
  };
  const chosen = (which: number) => {
    notice();
    const all = [...prompts.values()];
    return all.length === 0 ? undefined : all[(all.length - 1 + which) % all.length];
  };

  const act = async (step: Step): Promise<void> => {
    switch (step.do) {
      case "write":
        return program.output(step.text);
      case "say":
        for (let i = 0; i < step.count; i++) program.say(said++);
        return;
      case "ask":
        return program.ask(program.questions.length, step.kind);
      case "settle at the desk":
        return program.questions
          .at(-1 - (step.which % Math.max(1, program.questions.length)))
          ?.withdraw();
      case "resize the desk":
        await program.idle();
        return program.resize(step.cols, step.rows);
      case "type":
        for (let i = 0; i < step.count; i++) {
          const token = `<${step.by}${tokens++}>`;
          if (step.by === "page") returned.push(page.type(token));
          else {
            attached.push(token);
            typing.typed({ kind: "text", text: token });
          }
        }
        return;
      case "resize from afar":
        return void page
          .send(
            `/api/sessions/${world.session.id}/resize`,
            JSON.stringify(step.on ? { cols: 33, rows: 17 } : { cols: null }),
          )
          .catch((error: unknown) => {
            if (!page.isRefusal(error)) throw error;
          });
      case "press":
        return page.press(step.action);
      case "tap": {
        const prompt = chosen(step.which);
        return prompt === undefined ? undefined : tap(step.by, prompt, step.action, step.stale);
      }
      case "tap twice": {
        const prompt = chosen(step.which);
        if (prompt === undefined) return;
        tap("page", prompt, "approve", false);
        return tap("attach", prompt, "reject", false);
      }
      case "look back":
        return page.lookBack();
      case "look at the conversation":
        return page.show(step.on ? "talk" : "terminal");
      case "cut":
        return wire.cut(step.who);
      case "cut after":
        return wire.cutAfter(step.who, step.way, step.bytes, step.linger);
      case "late after":
        return wire.lateAfter(step.who, step.bytes, step.linger);
      case "delay":
        return wire.hold(step.who, step.way);
      case "half open":
        return wire.swallow(step.who, step.way);
      case "refuse":
        wire.cut(step.who);
        return wire.refuse(step.who, true);
      case "heal":
        return wire.heal();
      case "repeat bytes":
        return wire.repeat("runner", step.way);
      case "replay a request":
        return wire.replay();
      case "send again": {
        const sent = requests.all.at(-1 - step.which);
        // an answer that was lost: the same once more, signed anew by whoever sent it
        if (sent === undefined) return;
        const sending =
          sent.by === "page"
            ? page.send(sent.target, sent.body)
            : client.send("POST", sent.target, JSON.parse(sent.body));
        return void sending.catch((error: unknown) => {
          if (!(error instanceof RequestError) && !page.isRefusal(error)) throw error;
        });
      }
      case "restart the server":
        return house.restart();
      case "reload the page":
        returned.push(page.draft());
        return page.reload();
      case "wait": {
        const { rate } = clock;
        clock.rate = Math.max(rate, step.ms / WAIT_TURNS);
        await clock.pass(step.ms);
        clock.rate = rate;
        return;
      }
      default:
        step satisfies never;
    }
  };
  return {
    act,
    /** What the page gave back of what it was told to type, and what `attach` was told to. */
    returned,
    attached,
    /** Somebody answers whatever is still asked. */
    answerAll(): void {
      notice();
      for (const prompt of page.prompts()) tap("page", prompt, "approve", false);
    },
  };
}
