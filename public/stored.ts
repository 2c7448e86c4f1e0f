/** What this browser keeps for the page beside its keys. */

/** What is kept under a name; null where nothing is, or where the browser lets nothing be read. */
export function stored(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}

/** Keeps a text, or nothing any more. False where the browser has no room for it or allows none: the page does without. */
export function store(name: string, text: string | undefined): boolean {
  try {
    if (text === undefined) localStorage.removeItem(name);
    else localStorage.setItem(name, text);
    return true;
  } catch (error) {
    if (error instanceof DOMException) return false;
    throw error;
  }
}
