import axe from "axe-core";
import type { Page } from "playwright-core";
import * as v from "valibot";

const Violations = v.object({
  violations: v.array(
    v.object({ id: v.string(), help: v.string(), nodes: v.array(v.object({ html: v.string() })) }),
  ),
});

/** What WCAG 2.2 A and AA, and axe's own best practices, have against the page as it stands, in both colour schemes. */
export async function violations(page: Page): Promise<string[]> {
  const found: string[] = [];
  for (const colorScheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe.source);
    const result = await page.evaluate(
      `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })`,
    );
    for (const { id, help, nodes } of v.parse(Violations, result).violations)
      found.push(
        `${colorScheme}: ${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`,
      );
  }
  return found;
}
