import * as v from "valibot";
import { Prompt, SessionSummary } from "../types.ts";

/** So many pages are read of a list: a server that always has one more must not keep anybody for ever. */
const PAGES = 100;

export const SessionPage = v.object({
  sessions: v.array(SessionSummary),
  more: v.optional(v.boolean(), false),
});
const PromptPage = v.object({ prompts: v.array(Prompt), more: v.optional(v.boolean(), false) });

/** A signed request whose answer has a known form. */
type Get = <S extends v.GenericSchema>(schema: S, target: string) => Promise<v.InferOutput<S>>;

/** All prompts that are open, however many pages they take. */
export async function allPrompts(get: Get): Promise<Prompt[]> {
  const all: Prompt[] = [];
  for (let page = 0; page < PAGES; page++) {
    const last = all.at(-1);
    const target = last === undefined ? "/api/prompts" : `/api/prompts?after=${last.id}`;
    const { prompts, more } = await get(PromptPage, target);
    all.push(...prompts);
    if (!more || prompts.length === 0) break;
  }
  return all;
}

/** All sessions that are not over: of each device these come first. */
export async function runningSessions(get: Get): Promise<SessionSummary[]> {
  const all: SessionSummary[] = [];
  for (let page = 0, skip = 0; page < PAGES; page++) {
    const { sessions, more } = await get(SessionPage, `/api/sessions?skip=${skip}`);
    const running = sessions.filter(({ status }) => status !== "ended");
    all.push(...running);
    skip += sessions.length;
    if (!more || running.length === 0) break;
  }
  return all;
}
