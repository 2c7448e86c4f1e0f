/** What one look found: what is so, and what can be done about it. */
export interface Finding {
  name: string;
  state: "ok" | "warning" | "fails";
  text: string;
  todo?: string | undefined;
}

export const ok = (name: string, text: string): Finding => ({ name, state: "ok", text });
export const warning = (name: string, text: string, todo: string): Finding => ({
  name,
  state: "warning",
  text,
  todo,
});
export const fails = (name: string, text: string, todo: string): Finding => ({
  name,
  state: "fails",
  text,
  todo,
});
