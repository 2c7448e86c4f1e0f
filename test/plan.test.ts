import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openMemory } from "../src/db.ts";
import { FromRunner, FromServer, ViewerEvents } from "../src/types.ts";

const ROOT = join(import.meta.dir, "..");
const plan = readFileSync(join(ROOT, "docs/plan.md"), "utf8");
const quoted = [...plan.matchAll(/`([^`]+)`/g)].map(([, text]) => text ?? "");
/** Files and folders of this repository: a path in one of its folders, or a name with an ending. */
const paths = quoted.filter(
  (text) =>
    /^(?:src|public|docs|test|patches|bench|\.ci)\/[\w@./-]+$/.test(text) ||
    /^(?:[A-Za-z]+\.(?:md|json|yml|ts)|Dockerfile|justfile)$/.test(text),
);

describe("docs/plan.md", () => {
  test("names files and tests of this repository, and each of them is there", () => {
    expect(paths.length).toBeGreaterThan(80);
    expect(paths.filter((path) => path.endsWith(".test.ts")).length).toBeGreaterThan(25);
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  test("links to documents that are there", () => {
    const links = [...plan.matchAll(/\]\(([^)#]+)/g)].map(([, to]) => to ?? "");
    expect(links.length).toBeGreaterThan(0);
    expect(links.filter((to) => !existsSync(join(ROOT, "docs", to)))).toEqual([]);
  });

  test("names the tables with their columns, as the database has them", () => {
    const tables = quoted.flatMap((text) => {
      const [, table, columns] = /^(\w+)\((\w+(?:, \w+)+)\)$/.exec(text) ?? [];
      return table === undefined || columns === undefined ? [] : [{ table, columns }];
    });
    expect(tables.map(({ table }) => table)).toEqual([
      "devices",
      "sessions",
      "prompts",
      "output_log",
    ]);
    const db = openMemory();
    for (const { table, columns } of tables)
      expect(() => db.query(`SELECT ${columns} FROM ${table}`).all()).not.toThrow();
    db.close();
  });

  test("names messages and events by the names that they have", () => {
    const types: string[] = [...FromRunner.options, ...FromServer.options].map(
      ({ entries }) => entries.type.literal,
    );
    for (const name of ["output", "screen", "exit", "input", "resize", "ping", "pong", "hello"]) {
      expect(types).toContain(name);
      expect(quoted.some((text) => text === name || text.startsWith(`${name} {`))).toBe(true);
    }
    for (const name of ["session_start", "session_end", "output", "prompt", "prompt_response"]) {
      expect(Object.keys(ViewerEvents)).toContain(name);
      expect(quoted).toContain(name);
    }
  });
});
