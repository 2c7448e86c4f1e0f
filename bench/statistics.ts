/** The value below which so much of the sample lies, from 0 to 1: the nearest rank, so that it is one that was measured. */
export function percentile(sample: readonly number[], share: number): number {
  if (sample.length === 0) throw new Error("nothing was measured");
  const sorted = sample.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** The middle value; of an even number the mean of the two in the middle. */
export function median(sample: readonly number[]): number {
  if (sample.length === 0) throw new Error("nothing was measured");
  const sorted = sample.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}

/** The median over rounds of each round's percentile: one round that the machine disturbed does not decide. */
export const overRounds = (rounds: readonly (readonly number[])[], share: number): number =>
  median(rounds.map((sample) => percentile(sample, share)));
