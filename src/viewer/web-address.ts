/** An address of the web that somebody else wrote, parsed; undefined unless it is a whole http or https one. Never throws. */
export function webAddress(text: string): URL | undefined {
  if (!/^https?:\/\//i.test(text)) return undefined;
  try {
    return new URL(text); // `URL.parse` and `URL.canParse` are missing from the oldest browsers
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}
