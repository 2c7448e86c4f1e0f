import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { proxyExceptions } from "../../src/runner/hooks.ts";
import { mergeSettings } from "../../src/runner/settings.ts";

const ours = { hooks: { PermissionRequest: [{ hooks: ["ours"] }] } };
const merge = (args: string[], cwd = "/") => {
  const merged = mergeSettings(args, cwd, ours);
  return merged === undefined
    ? undefined
    : { args: merged.args, settings: JSON.parse(merged.settings) };
};

test("hooks are added, and the other arguments stay as they are", () => {
  expect(merge(["--model", "opus", "say hi"])).toEqual({
    args: ["--model", "opus", "say hi"],
    settings: ours,
  });
  expect(merge(["mcp", "list"])?.args).toEqual(["mcp", "list"]);
});

test("the user's own flag is merged in, given as JSON or as a file, in either form; the last one counts", () => {
  const theirs = {
    model: "x",
    hooks: { PermissionRequest: [{ hooks: ["theirs"] }], Stop: [{ hooks: ["stop"] }] },
  };
  const both = {
    model: "x",
    hooks: {
      PermissionRequest: [{ hooks: ["theirs"] }, { hooks: ["ours"] }],
      Stop: [{ hooks: ["stop"] }],
    },
  };
  expect(merge(["--settings", JSON.stringify(theirs), "-c"])).toEqual({
    args: ["-c"],
    settings: both,
  });
  expect(
    merge(["--settings", '{"model":"first"}', `--settings=${JSON.stringify(theirs)}`])?.settings,
  ).toEqual(both);
  const dir = mkdtempSync(join(tmpdir(), "settings-test-"));
  writeFileSync(join(dir, "s.json"), JSON.stringify(theirs));
  expect(merge(["--settings", "s.json"], dir)?.settings).toEqual(both);
  rmSync(dir, { recursive: true });
});

test("what comes after `--` is not a flag", () => {
  expect(merge(["-p", "--", "--settings", "{", "--bare"])?.args).toEqual([
    "-p",
    "--",
    "--settings",
    "{",
    "--bare",
  ]);
});

test("where hooks are switched off or the user's settings can't be read, nothing is touched", () => {
  for (const args of [
    ["--bare"],
    ["--safe-mode"],
    ["--settings", "{broken"],
    ["--settings", "/no/such/file"],
    ["--settings", '{"disableAllHooks":true}'],
    ["--settings", '{"hooks":"x"}'],
  ]) {
    expect(merge(args)).toBeUndefined();
  }
});

test("hooks stay out of a proxy, and where there is none the environment is not touched", () => {
  expect(proxyExceptions({ PATH: "/bin" })).toEqual({});
  expect(proxyExceptions({ HTTPS_PROXY: "http://proxy" })).toEqual({
    NO_PROXY: "127.0.0.1",
    no_proxy: "127.0.0.1",
  });
  expect(proxyExceptions({ http_proxy: "http://proxy", NO_PROXY: "localhost" })).toEqual({
    NO_PROXY: "localhost,127.0.0.1",
    no_proxy: "localhost,127.0.0.1",
  });
  expect(proxyExceptions({ http_proxy: "http://proxy", no_proxy: "127.0.0.1" })).toEqual({});
});
