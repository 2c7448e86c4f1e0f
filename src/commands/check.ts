import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { engines, version } from "../../package.json";
import { loadPairing, PairingError } from "../runner/pairing.ts";
import { sandboxTrouble } from "../sandbox/engine.ts";
import { PROTOCOL } from "../types.ts";
import { checkHooks } from "./check-hooks.ts";
import { checkClaude, checkData, checkHome, checkPairingFile, checkPty } from "./check-machine.ts";
import { checkServer } from "./check-server.ts";
import { type Config, loadConfig, withDefaults } from "./config.ts";
import { type Finding, fails, ok, warning } from "./finding.ts";
import { pairingPath, undeliveredDir } from "./places.ts";
import { fold, print, printJson, widthOf } from "./say.ts";
import { UsageError } from "./usage.ts";

/** Columns of the sign and of the name; what is said begins after them. */
const SIGN_COLUMNS = 9;
const NAME_COLUMNS = 14;
const TEXT_AT = SIGN_COLUMNS + NAME_COLUMNS;

/** The pinned Bun, which the single binary has inside. */
const LEAST_BUN = engines.bun.replace(/^>=/, "");
const SIGNS = {
  ok: ["ok", "\x1b[32m"],
  warning: ["warning", "\x1b[33m"],
  fails: ["FAILS", "\x1b[31m"],
} as const;

/** `claude-remote check [--json]`: looks at everything that has to work together, and starts or changes nothing. Exit code 1 where something fails. */
export async function check(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { json: { type: "boolean" } },
  });
  if (positionals.length > 0) throw new UsageError(`check: what is ${positionals[0]}?`);
  // whoever reads this has seen enough (`| head`): with what a shell tells of SIGPIPE
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(141);
    throw error;
  });
  const findings: Finding[] = [];
  const plain =
    !process.stdout.isTTY || (process.env.NO_COLOR ?? "") !== "" || process.env.TERM === "dumb";
  for await (const finding of look()) {
    findings.push(finding);
    if (values.json === true) continue;
    const [word, colour] = SIGNS[finding.state];
    const sign = plain
      ? word.padEnd(SIGN_COLUMNS)
      : `${colour}${word.padEnd(SIGN_COLUMNS)}\x1b[39m`;
    process.stdout.write(sign);
    print(`${finding.name.padEnd(NAME_COLUMNS)}${beside(finding.text)}`);
    if (finding.todo !== undefined) print(`${" ".repeat(TEXT_AT)}${beside(`→ ${finding.todo}`)}`);
  }
  const failed = findings.some(({ state }) => state === "fails");
  if (values.json === true) printJson({ ok: !failed, checks: findings });
  return failed ? 1 : 0;
}

/** What is said of something, in a column of its own. */
const beside = (text: string) =>
  fold(text, widthOf(process.stdout) - TEXT_AT).replaceAll("\n", `\n${" ".repeat(TEXT_AT)}`);

/** Each look in turn, as soon as it is done. */
async function* look(): AsyncGenerator<Finding> {
  const bun = `Bun ${Bun.version}`;
  yield Bun.semver.order(Bun.version, LEAST_BUN) >= 0
    ? ok("claude-remote", `${version}, protocol ${PROTOCOL}, ${bun}`)
    : fails(
        "claude-remote",
        `${version} on ${bun}`,
        `it needs Bun ${LEAST_BUN}: npx -y bun@${LEAST_BUN}, or the single binary`,
      );
  const config = configOrMistake();
  if (config instanceof UsageError)
    yield fails(
      "config",
      config.message,
      "mend that; what follows was looked at as if nothing were configured",
    );
  yield* lookAt(config instanceof UsageError ? withDefaults({}) : config);
}

async function* lookAt(config: Config): AsyncGenerator<Finding> {
  const claude = checkClaude(config.claude);
  yield claude.finding;
  yield* checkHooks(claude.path);
  yield await checkPty();
  const lacking = await sandboxTrouble();
  const always = config.sandbox === "always";
  yield lacking === undefined
    ? ok("sandbox", always ? "claude always runs in one" : "can be had")
    : always
      ? fails(
          "sandbox",
          lacking,
          'mend that: with sandbox = "always" claude does not run without one',
        )
      : warning("sandbox", lacking, "nothing, unless you want `run --sandbox`");
  yield checkHome([dirname(pairingPath()), dirname(undeliveredDir()), config.data]);
  yield* checkData(config.data);
  yield* checkPairingFile(pairingPath());
  yield* checkServer(config, pairing());
}

function configOrMistake(): Config | UsageError {
  try {
    return loadConfig();
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
}

function pairing() {
  try {
    return loadPairing(pairingPath());
  } catch (error) {
    if (error instanceof PairingError) return error;
    throw error;
  }
}
