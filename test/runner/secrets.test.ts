import { describe, expect, test } from "bun:test";
import { maskInput, maskRows, maskSecrets, RULES } from "../../src/runner/secrets.ts";

const made = (prefix: string, length: number) =>
  prefix + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8".slice(0, length);

/** For every rule: texts with the secret in angle brackets, and texts that must stay as they are. */
const cases: Record<string, { secrets: string[]; harmless: string[] }> = {
  "Anthropic key": {
    secrets: [
      `key <${made("sk-ant-api03-", 30)}> end`,
      "<sk-ant-x1>",
      `\\\\033[31m<${made("sk-ant-api03-", 30)}>`,
    ],
    harmless: ["task-ant-hill", "sk-ant-"],
  },
  "OpenAI-like key": {
    secrets: [`<${made("sk-proj-", 30)}>`, `OPENAI=<${made("sk-", 24)}>`],
    harmless: [
      "sk-learn is a library",
      "disk-usage-of-this-machine-1",
      "pip install sk-something-without-numbers",
    ],
  },
  "GitHub token": {
    secrets: [`<${made("ghp_", 36)}>`, `<${made("github_pat_", 30)}>`],
    harmless: ["ghp_ is a prefix", "sighp_abcdef"],
  },
  "GitLab token": {
    secrets: [`<${made("glpat-", 20)}>`],
    harmless: ["glpat-", "English glpattern"],
  },
  "Slack token": { secrets: [`<${made("xoxb-", 24)}>`], harmless: ["xoxo-love"] },
  "Stripe key": {
    secrets: [`<${made("sk_live_", 24)}>`, `<${made("rk_test_", 24)}>`],
    harmless: ["sk_living", "task_live_view"],
  },
  "Google key": { secrets: [`<${made("AIza", 35)}>`], harmless: ["AIzawa san"] },
  "AWS key id": {
    secrets: ["<AKIAIOSFODNN7EXAMPLE>"],
    harmless: ["AKIA is a prefix", "MAKIAVELLI"],
  },
  "npm token": {
    secrets: [`<${made("npm_", 36)}>`],
    harmless: ["npm_config_registry", "npm_lifecycle_event=start"],
  },
  "Hugging Face token": { secrets: [`<${made("hf_", 34)}>`], harmless: ["hf_hub"] },
  "JSON Web Token": {
    secrets: ["<eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4>"],
    harmless: ["eyJ is base64", "keyJam"],
  },
  "password in a URL": {
    secrets: ["postgres://me:<p4ss!word>@db:5432/x", "https://:<tok>@git.example/x"],
    harmless: ["http://127.0.0.1:7200/#/s/x", "ssh://git@host:22/x", "see https://a.b/c:d@e"],
  },
  "authorization header": {
    secrets: ["Authorization: Bearer <abc.def-123>", "-H 'authorization: Basic <bWU6cGFzcw==>'"],
    harmless: ["authorization: none", "an authorization header"],
  },
  "value of a telling name": {
    secrets: [
      "DB_PASSWORD=<hunter22x>",
      '"api_key": "<zxcvbnm123>"',
      "aws_secret_access_key = <wJalrXUtnFEMI1K7MDENG>",
    ],
    harmless: [
      "token = getToken()",
      "password: undefined",
      "the secret: nobody knows",
      "apiKey: process.env.KEY",
    ],
  },
  "pairing link": {
    secrets: ["http://127.0.0.1:7200/#pair=<AAECAwQFBgcICQoLDA0ODw>"],
    harmless: ["#pair=…"],
  },
  "private key": {
    secrets: ["-----BEGIN RSA PRIVATE KEY-----<MIIEowIBAAKCAQEA7>-----END RSA PRIVATE KEY-----"],
    harmless: ["-----BEGIN PUBLIC KEY-----MIIBIjANBgkqhkiG9w-----END"],
  },
};

test("every rule has its cases", () => {
  expect(Object.keys(cases)).toEqual(RULES.map(({ name }) => name));
});

describe.each(Object.entries(cases))("%s", (_, { secrets, harmless }) => {
  test.each(secrets)("is masked: %s", (text) => {
    const plain = text.replace(/[<>]/g, "");
    const expected = text.replace(/<([^>]*)>/g, (_, secret: string) => "•".repeat(secret.length));
    expect(maskSecrets(plain)).toBe(expected);
    expect(maskSecrets(plain).length).toBe(plain.length); // a row's runs still fit
  });
  test.each(harmless)("is not seen in: %s", (text) => {
    expect(maskSecrets(text)).toBe(text);
  });
});

describe("rows", () => {
  const key = made("sk-ant-api03-", 36);
  const row = (payload: string, continues = false) => ({ payload, continues });

  test("keep their styles, and are masked across lines that the terminal wrapped", () => {
    expect(
      maskRows(
        [row(`key ${key.slice(0, 16)}\n4b 16f2`), row(`${key.slice(16)} ok`, true), row("plain")],
        20,
      ),
    ).toEqual([`key ${"•".repeat(16)}\n4b 16f2`, `${"•".repeat(key.length - 16)} ok`, "plain"]);
  });

  test("are masked where the terminal wrapped right in what gives a secret away", () => {
    for (const at of [1, 2, 3, 7]) {
      const masked = maskRows(
        [row(`a line ${key.slice(0, at)}`), row(key.slice(at), true), row("plain")],
        80,
      );
      expect(masked).toEqual([`a line ${"•".repeat(at)}`, "•".repeat(key.length - at), "plain"]);
    }
    expect(maskRows([row("ask"), row("-ant-hill-of-words")], 80)).toEqual([
      "ask",
      "-ant-hill-of-words",
    ]); // two lines of their own
  });

  test("are masked where a program wrapped by itself", () => {
    const [first, second, third] = maskRows(
      [row(`  ${key.slice(0, 33)}`), row(`  ${key.slice(33)}`), row("  and on")],
      36,
    );
    expect(first).toBe(`  ${"•".repeat(33)}`);
    expect(second).toBe(`  ${"•".repeat(key.length - 33)}`);
    expect(third).toBe("  and on");
  });

  test("show no beginning of what may become a secret while it is being written", () => {
    for (const begun of ["sk-abc", "AIza12", "postgres://me:hunt", "npm_abcd", "eyJhbGciOi"]) {
      expect(maskRows([row(begun)], 80, 0)[0]).toContain("•");
      expect(maskRows([row(begun)], 80)[0]).toBe(begun); // finished, and nothing after all
    }
    expect(maskRows([row("http://localhost:3000")], 80, 0)).toEqual(["http://localhost:3000"]);
  });

  test("of a private key are masked to its end", () => {
    const pem = [
      "-----BEGIN OPENSSH PRIVATE KEY-----",
      "b3BlbnNzaC1rZXktdjEAAAAA",
      "QyNTUxOQAAACBx",
      "-----END OPENSSH PRIVATE KEY-----",
      "after1",
    ].map((text) => row(text));
    expect(maskRows(pem, 80)).toEqual([
      "-----BEGIN OPENSSH PRIVATE KEY-----",
      "•".repeat(24),
      "•".repeat(14),
      "-----END OPENSSH PRIVATE KEY-----",
      "after1",
    ]);
  });
});

describe("a tool's input", () => {
  const key = made("ghp_", 36);

  test("is masked through and through, also behind a telling name", () => {
    expect(
      maskInput({
        command: `curl -H 'x: ${key}'`,
        env: { API_TOKEN: "abcdef123456", PATH: "/bin" },
        list: [key, 1, null, true],
      }),
    ).toEqual({
      input: {
        command: `curl -H 'x: ${"•".repeat(40)}'`,
        env: { API_TOKEN: "•".repeat(12), PATH: "/bin" },
        list: ["•".repeat(40), 1, null, true],
      },
      opaque: false,
    });
  });

  test("keeps what stands before a secret at its end", () => {
    // more behind a value does not make it any less one
    expect(maskInput({ password: "hunter22' OR 1=1" }).input).toEqual({
      password: "••••••••' OR 1=1",
    });
    expect(maskInput({ command: `rm -rf ~; echo ${key}` }).input).toEqual({
      command: `rm -rf ~; echo ${"•".repeat(40)}`,
    });
  });

  test("is opaque where the dots could hide part of a command", () => {
    const hiding = [
      "echo ://a:;rm$IFS-rf$IFS$HOME;@x",
      "echo authorization: x;rm$IFS-rf$IFS~",
      "password= python3.11 -c x",
      "cat <<-----BEGIN PRIVATE KEY-----\nrm -rf ~\n-----END",
      "AWS_SECRET_KEY=abc/def12345",
      key,
    ];
    for (const command of hiding) {
      const masked = maskInput({ command });
      expect(masked.input.command).toContain("•");
      expect(masked.opaque).toBe(true);
    }
  });

  test("lets no name stand for two", () => {
    expect(
      Object.values(maskInput({ [made("ghp_", 20)]: 1, [`${made("ghp_", 19)}Z`]: 2 }).input),
    ).toEqual([1, 2]);
    const many = Object.fromEntries(
      Array.from({ length: 50_000 }, (_, i) => [`sk-ant-${String(i).padStart(6, "0")}`, i]),
    );
    const dotted = "•".repeat(13);
    const { input } = maskInput({ ...many, [`${dotted} (2)`]: "taken" }); // each looked for from the first on would take for ever
    expect(Object.values(input)).toEqual([...Object.values(many), "taken"]);
  }, 20_000);
});

test("texts made to take for ever do not", () => {
  for (const part of [
    "sk-",
    "-eyJ",
    "token=",
    "xoxb-",
    "://a:",
    "-----BEGIN A",
    "authorization ",
    "password  ",
    "github_pat_ ",
    "://",
  ]) {
    const text = part.repeat(Math.ceil(300_000 / part.length));
    expect(maskSecrets(text, true).length).toBe(text.length); // a quadratic rule would not come back within this test's time
  }
}, 20_000);
