type OneTo12 = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12;

export type Rule = `C${OneTo12}` | `E${OneTo12}` | `D${OneTo12 | 13}`;

const oneTo12: readonly OneTo12[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

/** The rules of the contract, in its order: both buses, event bus, data bus. */
export const rules: readonly Rule[] = [
  ...oneTo12.map((n): Rule => `C${n}`),
  ...oneTo12.map((n): Rule => `E${n}`),
  ...oneTo12.map((n): Rule => `D${n}`),
  'D13',
];
