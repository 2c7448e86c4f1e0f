/** What may be spent: it grows with time, up to a limit. */
export interface Budget {
  /** Below zero where more was spent than there was. */
  left(): number;
  /** What it costs counts in so far as no debt comes of it that takes longer than `debtS` to pay. */
  spend(amount: number): void;
  /** How long it takes until something is left, in ms. */
  wait(): number;
}

/** So much a second, what comes in `burstS` seconds at once after quiet. */
export function openBudget(perSecond: number, burstS: number, debtS: number): Budget {
  let left = perSecond;
  let at = performance.now();
  const budget: Budget = {
    left() {
      const now = performance.now();
      left = Math.min(perSecond * burstS, left + ((now - at) / 1000) * perSecond);
      at = now;
      return left;
    },
    spend(amount) {
      left = Math.max(left - amount, -perSecond * debtS);
    },
    wait: () => Math.max(0, (-budget.left() / perSecond) * 1000) + 1,
  };
  return budget;
}
