/** What may be spent: it grows with time, up to a limit. */
export interface Budget {
  /** Below zero where more was spent than there was. */
  left(): number;
  spend(amount: number): void;
}

export function openBudget(perSecond: number, most: number): Budget {
  let left = perSecond;
  let at = performance.now();
  return {
    left() {
      const now = performance.now();
      left = Math.min(most, left + ((now - at) / 1000) * perSecond);
      at = now;
      return left;
    },
    spend(amount) {
      left -= amount;
    },
  };
}
