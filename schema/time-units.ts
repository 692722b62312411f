/** The letters by which users write how long something is, such as `2h`, in milliseconds each. */
export const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
