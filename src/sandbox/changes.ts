import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { readFileAt } from "../runner/real-file.ts";

/** So many folders of a project are looked through, the nearest first, and as much of a file is compared, in bytes. */
const FOLDERS = 50_000;
const FILE_BYTES = 1024 * 1024;

/** Files, by their names, that tell a program outside what to run: editors, shells, agents, build tools, test runners, continuous integration. */
const NAMES = anyOf([
  /^(?:claude|agents|gemini)(?:\.local)?\.md$|^\.claude$|^\.mcp\.json$/i,
  /^package\.json$|^\.(?:npm|yarn|pnpm)rc|^\.yarnrc\.yml$|^\.pnpmfile\.c?js$|^(?:deno|bunfig)\.(?:jsonc?|toml)$/,
  /^\.envrc$|^\.env(?:\..+)?$|^\.?mise(?:\..+)?\.toml$|^\.tool-versions$|^flake\.nix$|^(?:shell|default)\.nix$/,
  /^(?:GNU)?makefile$|^\.?justfile$|^taskfile\.ya?ml$|^rakefile$|^gemfile$|^vagrantfile$|^jenkinsfile$|^procfile$/i,
  /^dockerfile(?:\..+)?$|^(?:docker-)?compose(?:\..+)?\.ya?ml$|^\.gitlab-ci\.yml$/i,
  /^pyproject\.toml$|^setup\.(?:py|cfg)$|^conftest\.py$|^(?:tox|pytest)\.ini$|^noxfile\.py$|^sitecustomize\.py$/,
  /^build\.rs$|^cargo\.toml$|^composer\.json$|^pom\.xml$|^(?:build|settings)\.gradle(?:\.kts)?$|^gradlew$/i,
  /^(?:\.lintstagedrc|lint-staged\.config|\.commitlintrc|commitlint\.config|\.huskyrc|\.eslintrc|eslint\.config)(?:\..+)?$/,
  /^(?:\.?lefthook|\.?lefthook-local)\.(?:ya?ml|jsonc?|toml)$|^\.pre-commit-config\.ya?ml$|^\.gitattributes$|^\.gitmodules$/,
  /\.code-workspace$|^\.vimrc$|^\.exrc$|^\.nvim\.lua$|^\.dir-locals\.el$|^\.gdbinit$|^\.lldbinit$/,
]);
/** Folders that hold such files alone. */
const WHOLE =
  /(?:^|\/)(?:\.(?:vscode|idea|zed|cursor|devcontainer|circleci|cargo|claude|husky)|\.github\/workflows)\//;

/** What is compared of each file that tells a program outside what to run, by its path in the project. */
export type Orders = ReadonlyMap<string, string>;

/** Looks at all such files of a project. No link is followed, and nothing is waited for. */
export function ordersIn(project: string): Orders {
  const found = new Map<string, string>();
  const folders = [""]; // each with a slash at its end, as it is added to names
  for (const folder of folders) {
    for (const entry of entriesOf(join(project, folder))) {
      const place = folder + entry.name;
      const path = () => join(project, place);
      if (entry.name === "node_modules") {
        // its programs are run by name; what an installation writes is too much to be told one by one
        const names = entriesOf(join(path(), ".bin")).map(({ name }) => name);
        found.set(place, `${names} ${looksLike(join(path(), ".package-lock.json"))}`);
      } else if (entry.name === ".git") {
        if (folder !== "") found.set(place, "a repository");
      } else if (entry.isDirectory()) {
        if (folders.length < FOLDERS) folders.push(`${place}/`);
      } else if (NAMES.test(entry.name) || WHOLE.test(folder)) found.set(place, looksLike(path()));
    }
  }
  return found;
}

function anyOf(names: readonly RegExp[]): RegExp {
  return new RegExp(names.map(({ source }) => source).join("|"), "i");
}

/** What is another one now, new, or gone; the nearest first. */
export function changedOrders(before: Orders, now: Orders): string[] {
  return [...new Set([...before.keys(), ...now.keys()])]
    .filter((path) => before.get(path) !== now.get(path))
    .toSorted(
      (one, other) => one.split("/").length - other.split("/").length || (one < other ? -1 : 1),
    );
}

function looksLike(path: string): string {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return "nothing";
  if (stat.isSymbolicLink()) return `link ${readlinkSync(path)}`;
  const mode = stat.mode & 0o111 ? "x" : "-";
  // who writes inside sets any time of change but this one
  if (!stat.isFile() || stat.size > FILE_BYTES) return `${mode} ${stat.size} ${stat.ctimeMs}`;
  const hash = new Bun.CryptoHasher("sha256").update(readFileAt(path, 0, FILE_BYTES));
  return `${mode} ${hash.digest("hex")}`;
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (error instanceof Error && "code" in error) return []; // not for us, or gone
    throw error;
  }
}
