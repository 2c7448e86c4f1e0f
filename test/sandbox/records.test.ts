import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sweep } from "../../src/sandbox/records.ts";
import { NO_SANDBOX } from "../support/sandbox.ts";

test.skipIf(NO_SANDBOX !== "")(`a folder that can't be removed keeps no sandbox from being swept, nor the next from starting${NO_SANDBOX}`, async () => {
  const data = mkdtempSync(join(tmpdir(), "records-test-"));
  mkdirSync(join(data, "running"));
  const record = { name: "claude-remote-never-was", project: data, dir: "/proc/self/task", guarded: [], placeholders: [] }; // nobody can remove that
  writeFileSync(join(data, "running", `${record.name}.json`), JSON.stringify(record));
  await sweep(data);
  expect(readdirSync(join(data, "running"))).toEqual([]);
  rmSync(data, { recursive: true });
});
