import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Guarded } from "./project.ts";

/** A program that git's hooks start, and that takes the commands to run from a project's files. */
interface HookManager {
  /** How a hook names it. */
  named: RegExp;
  /** Names of its configuration; it reads the first that is there. Several lists where it merges several. */
  files: readonly (readonly string[])[];
  /** Folders of its scripts. */
  folders: readonly string[];
  /** A configuration that says nothing, for the first name of each list; with a name, one that refers to that file. */
  empty(other?: string): string;
}

const nothing = () => "";
/** Lefthook goes through the extensions, and for each through the names. */
const lefthookFiles = (name: string) =>
  ["yml", "yaml", "json", "jsonc", "toml"].flatMap((extension) =>
    ["", ".", ".config/"].map((before) => `${before}${name}.${extension}`),
  );

const MANAGERS: readonly HookManager[] = [
  {
    named: /pre-commit|\bprek\b|hook-impl/,
    files: [
      [".pre-commit-config.yaml"],
      [".pre-commit-config.yml"], // prek's second name
      ["prek.toml"],
    ],
    folders: [],
    empty: () => "repos: []\n",
  },
  {
    named: /lefthook/i,
    files: [lefthookFiles("lefthook"), lefthookFiles("lefthook-local")],
    folders: [".lefthook", ".lefthook-local", ".config/lefthook", ".config/lefthook-local"],
    empty: (other) => (other === undefined ? "" : `extends:\n  - ${JSON.stringify(other)}\n`),
  },
  { named: /husky/i, files: [], folders: [".husky"], empty: nothing },
  {
    named: /overcommit/i,
    files: [[".overcommit.yml"], [".local-overcommit.yml"]],
    folders: [".git-hooks"],
    empty: nothing,
  },
  { named: /captainhook/i, files: [["captainhook.json"]], folders: [], empty: () => "{}\n" },
  {
    named: /grumphp/i,
    files: [["grumphp.yml", "grumphp.yml.dist"]],
    folders: [],
    empty: () => "grumphp: {}\n",
  },
  { named: /rusty-hook/, files: [[".rusty-hook.toml"]], folders: [], empty: nothing },
  { named: /\bhk\b/, files: [["hk.pkl"]], folders: [], empty: nothing },
  { named: /\btrunk\b/, files: [], folders: [".trunk"], empty: nothing },
  { named: /\.githooks\b/, files: [], folders: [".githooks"], empty: nothing },
];

/**
 * What hook managers read in a repository's top folder. What is there is guarded in any case, as somebody may install the manager's hooks
 * meanwhile; what is not there only where a hook names the manager, and so would run what somebody puts there.
 */
export function readByManagers(top: string, hooks: string): Guarded[] {
  return MANAGERS.flatMap(({ named, files, folders, empty }) => {
    const inUse = named.test(hooks);
    const parts = folders
      .filter((folder) => existsSync(join(top, folder)))
      .map((folder): Guarded => ({ path: join(top, folder), otherwise: "folder" }));
    for (const names of files) {
      const there = names.filter((name) => existsSync(join(top, name)));
      const [first = "", ...others] = names;
      if (inUse && !there.includes(first)) {
        const [known] = there;
        const before = known === undefined ? others : others.slice(0, others.indexOf(known));
        const otherwise = { text: empty(known), unless: before };
        parts.push({ path: join(top, first), otherwise });
      }
      for (const name of there) parts.push({ path: join(top, name), otherwise: { text: empty() } });
    }
    return parts;
  });
}
