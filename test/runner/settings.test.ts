import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { denyRules, mergeSettings, withoutProxy } from "../../src/runner/settings.ts";

const ours = { hooks: { PermissionRequest: [{ hooks: ["ours"] }] } };
const merge = (args: string[], cwd = "/") => {
  const merged = mergeSettings(args, cwd, ours);
  return merged === undefined
    ? undefined
    : { args: merged.args("OURS"), settings: JSON.parse(merged.json) };
};

test("hooks are added, and the other arguments stay as they are", () => {
  expect(merge(["--model", "opus", "say hi"])).toEqual({
    args: ["--settings", "OURS", "--model", "opus", "say hi"],
    settings: ours,
  });
  expect(merge(["mcp", "list"])?.args).toEqual(["--settings", "OURS", "mcp", "list"]);
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
    args: ["--settings", "OURS", "-c"],
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
    "--settings",
    "OURS",
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
    ["--settings", ""],
    ["--settings", "/"],
    ["--settings"],
  ]) {
    expect(merge(args)).toBeUndefined();
  }
});

test("ours stands where theirs stood, so that the words around it belong to what they belonged to", () => {
  for (const [given, ours] of [
    ["--add-dir lib --settings {} prompt", "--add-dir lib --settings OURS prompt"],
    ["--allowedTools Edit --settings={} -- x", "--allowedTools Edit --settings=OURS -- x"],
    ["prompt --mcp-config a b --settings {}", "prompt --mcp-config a b --settings OURS"],
    ["--settings {} --tools Read --settings {} y", "--settings {} --tools Read --settings OURS y"],
    ["-n --settings --settings {} z", "-n --settings --settings OURS z"],
    ["--system-prompt --settings prompt", "--settings OURS --system-prompt --settings prompt"],
  ] as const)
    expect(merge(given.split(" "))?.args).toEqual(ours.split(" "));
});

test("a value that looks like a flag switches nothing off", () => {
  expect(merge(["--append-system-prompt", "--bare"])?.settings).toEqual(ours);
  expect(merge(["-n", "--safe-mode", "hi"])?.settings).toEqual(ours);
});

test("rules about paths below a settings file mean the same paths after it was merged", () => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "settings-test-")));
  const permissions = {
    deny: ["Read(/secret/**)", "Read(//etc/**)", "Read(~/x)", "Edit(src/**)", "WebFetch"],
    allow: ["Write(/out/*)", "Bash(/bin/ls *)"],
    defaultMode: "/plan",
  };
  writeFileSync(join(dir, "s.json"), JSON.stringify({ permissions }));
  symlinkSync(join(dir, "s.json"), join(dir, "link.json"));
  mkdirSync(join(dir, "sub"));
  for (const [name, cwd] of [
    ["s.json", dir],
    ["../link.json", join(dir, "sub")],
  ] as const)
    expect(merge(["--settings", name], cwd)?.settings.permissions).toEqual({
      deny: [`Read(/${dir}/secret/**)`, "Read(//etc/**)", "Read(~/x)", "Edit(src/**)", "WebFetch"],
      allow: [`Write(/${dir}/out/*)`, "Bash(/bin/ls *)"],
      defaultMode: "/plan",
    });
  expect(merge(["--settings", JSON.stringify({ permissions })])?.settings.permissions).toEqual(
    permissions,
  );
  rmSync(dir, { recursive: true });
});

test("in a sandbox hooks pass by every proxy, and what the user has set besides stays", () => {
  const of = (settings: object) => JSON.parse(withoutProxy(JSON.stringify(settings)));
  expect(of({ model: "x" })).toEqual({
    model: "x",
    env: { NO_PROXY: "127.0.0.1", no_proxy: "127.0.0.1" },
  });
  expect(of({ env: { HTTP_PROXY: "http://p", NO_PROXY: "internal" } }).env).toEqual({
    HTTP_PROXY: "http://p",
    NO_PROXY: "internal,127.0.0.1",
    no_proxy: "internal,127.0.0.1",
  });
});

test("our folders are denied to Claude's tools beside what the user denies, allows and has else", () => {
  const deny = ["Read(//own/**)", "Edit(//own/**)"];
  const merged = (theirs: object) =>
    JSON.parse(
      mergeSettings(["--settings", JSON.stringify(theirs)], "/", { ...ours, deny })?.json ?? "",
    ).permissions;
  expect(merged({})).toEqual({ deny });
  const permissions = {
    deny: ["Bash(rm:*)"],
    allow: ["Read(//own/**)"],
    ask: ["WebFetch"],
    defaultMode: "plan",
  };
  expect(merged({ permissions })).toEqual({ ...permissions, deny: ["Bash(rm:*)", ...deny] });
});

test("folders are denied by their names and by where these lead, but none that Claude works in", () => {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "settings-test-")));
  mkdirSync(join(dir, "real"));
  symlinkSync(join(dir, "real"), join(dir, "link"));
  const both = (path: string) => [`Read(/${path}/**)`, `Edit(/${path}/**)`];
  expect(denyRules([join(dir, "link"), join(dir, "none")], "/")).toEqual([
    ...both(join(dir, "link")),
    ...both(join(dir, "real")),
    ...both(join(dir, "none")),
  ]);
  expect(denyRules([dir, join(dir, "none")], join(dir, "real"))).toEqual(both(join(dir, "none")));
  rmSync(dir, { recursive: true });
});
