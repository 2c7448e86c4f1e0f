/**
 * The versions of Claude Code that this was tried with: the oldest that works (an older one knows no `StopFailure` and refuses settings that name it),
 * and the newest, which all of test/real was run against. Others between them were tried with a message, a permission and its approval.
 */
export const OLDEST = "2.1.78";
export const NEWEST_TRIED = "2.1.332";
export const TRIED = [OLDEST, "2.1.100", "2.1.126", "2.1.150", "2.1.200", "2.1.328", NEWEST_TRIED];

/** What `claude --version` tells, as a number; undefined where it is something else. */
export function claudeVersion(told: string): string | undefined {
  return /^(\d+\.\d+\.\d+) \(Claude Code\)/.exec(told)?.[1];
}

/** How a version stands to those that were tried; an unknown one is not judged. */
export function judge(version: string | undefined): "too old" | "tried" | "newer" | "unknown" {
  if (version === undefined) return "unknown";
  if (Bun.semver.order(version, OLDEST) < 0) return "too old";
  return Bun.semver.order(version, NEWEST_TRIED) > 0 ? "newer" : "tried";
}
