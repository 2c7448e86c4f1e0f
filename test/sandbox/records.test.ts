import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IMAGE, removeContainer } from "../../src/sandbox/engine.ts";
import { sweep } from "../../src/sandbox/records.ts";
import { emptyHome } from "../support/home.ts";
import { NO_SANDBOX, runInside, sandboxesOf } from "../support/sandbox.ts";

test.skipIf(NO_SANDBOX !== "")(
  `a container that others remove at the same moment is gone for each of them${NO_SANDBOX}`,
  async () => {
    const name = `claude-remote-test-${process.pid}`;
    const image = Bun.spawnSync(["docker", "image", "inspect", IMAGE]).success
      ? IMAGE
      : "node:22-slim";
    Bun.spawnSync([
      "docker",
      "run",
      "--detach",
      "--rm",
      "--network",
      "none",
      "--name",
      name,
      image,
      "sleep",
      "600",
    ]);
    expect(await Promise.all(Array.from({ length: 4 }, () => removeContainer(name)))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(Bun.spawnSync(["docker", "inspect", name]).success).toBe(false);
  },
  60_000,
);

test.skipIf(NO_SANDBOX !== "")(
  `a folder that can't be removed keeps no sandbox from being swept, nor the next from starting${NO_SANDBOX}`,
  async () => {
    const data = mkdtempSync(join(tmpdir(), "records-test-"));
    mkdirSync(join(data, "running"));
    const record = {
      name: "claude-remote-never-was",
      project: data,
      dir: "/proc/self/task",
      guarded: [],
      placeholders: [],
    }; // nobody can remove that
    writeFileSync(join(data, "running", `${record.name}.json`), JSON.stringify(record));
    await sweep(data);
    expect(readdirSync(join(data, "running"))).toEqual([]);
    rmSync(data, { recursive: true });
  },
);

test.skipIf(NO_SANDBOX !== "")(
  `a sandbox whose wrapper is gone, and that the engine does not remove, counts as one that runs${NO_SANDBOX}`,
  async () => {
    const home = emptyHome();
    const [work, running] = [join(home.dir, "work"), join(sandboxesOf(home), "running")];
    for (const dir of [join(work, "within"), join(home.dir, "bin"), running])
      mkdirSync(dir, { recursive: true });
    const record = {
      name: "claude-remote-stuck",
      project: work,
      dir: join(home.dir, "gone"),
      guarded: [],
      placeholders: [],
    };
    writeFileSync(join(running, `${record.name}.json`), JSON.stringify(record));
    writeFileSync(
      join(home.dir, "bin/docker"),
      `#!/bin/sh\n[ "$1" = rm ] && exit 1\nexec ${Bun.which("docker")} "$@"\n`,
      { mode: 0o755 },
    );
    const { code, out, err } = await runInside(home, join(work, "within"), "echo IN", [], {
      PATH: `${join(home.dir, "bin")}:${process.env.PATH}`,
    });
    expect([code, out, err]).toEqual([
      126,
      "",
      expect.stringContaining(`a sandbox runs in ${work}`),
    ]);
    home.remove();
  },
  60_000,
);
