import bcd, { type Identifier } from "@mdn/browser-compat-data";
import { lacking } from "./compat.ts";

/** The oldest browsers of phones: what either lacks is taken away. */
const PHONES = /^(?:safari_ios|chrome_android) /;

/** A name that is deleted from a global object, from its `prototype`, or from the global scope where there is no owner. */
type Gone = [owner: string, name: string, where: "static" | "prototype"];

const isLacking = (entry: Identifier) =>
  entry.__compat !== undefined && lacking(entry.__compat).some((line) => PHONES.test(line));
const members = (entry: Identifier) =>
  Object.entries(entry).filter(([name]) => name !== "__compat") as [string, Identifier][];

function namesOf(owner: string, entry: Identifier): Gone[] {
  if (isLacking(entry)) return [["", owner, "static"]];
  return members(entry)
    .filter(([name, member]) => !name.endsWith("_event") && isLacking(member))
    .flatMap(([name]): Gone[] => {
      const plain = name.replace(/_static$/, "");
      if (owner === "Window") return [["", plain, "static"]];
      return name === plain
        ? [
            [owner, plain, "prototype"],
            [owner, plain, "static"],
          ]
        : [[owner, plain, "static"]];
    });
}

/** The policy of the page's headers stays in force, whatever the page can see of it. */
const NEEDED = /trusted/i;

/** All APIs that one of the oldest phones lacks, by browser-compat-data. */
export function missingApis(): Gone[] {
  const { builtins } = bcd.javascript;
  return [bcd.api, builtins ?? {}].flatMap((group) =>
    members(group)
      .flatMap(([owner, entry]) => namesOf(owner, entry))
      .filter(([owner, name]) => !NEEDED.test(owner) && !NEEDED.test(name)),
  );
}

/** A script that turns a new browser into one as old as the oldest, as far as APIs go. */
export const makeOld = () => `{
  for (const [owner, name, where] of ${JSON.stringify(missingApis())}) {
    const holder = owner === "" ? globalThis : globalThis[owner];
    const target = where === "prototype" ? holder?.prototype : holder;
    if (target === undefined || target === null) continue;
    const key = name.startsWith("@@") ? Symbol[name.slice(2)] : name;
    if (key !== undefined) delete target[key];
  }
}`;
