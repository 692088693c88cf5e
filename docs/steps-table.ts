import { steps } from './steps.ts';

/** Names of cases by the step with which they pass, in the order of the steps. */
export type Green = readonly (readonly string[])[];

/** A line for each step: what is written in it, and what passes from then on. */
export function stepsTable(green: Green): string {
  const rows = steps.map(({ title, write }, index) => {
    const names = green[index] ?? [];
    return `| ${index + 1}. ${title} | ${list(shortened(write))} | ${names.length} | ${list(names)} |`;
  });
  return ['| Step | Write | Cases | which turn green |', '|---|---|---:|---|', ...rows].join('\n');
}

const list = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');

/** The driver once, then its verbs alone. */
function shortened(verbs: readonly string[]): readonly string[] {
  let driver = '';
  return verbs.map((verb) => {
    const [, of = '', rest = verb] = /^(\w+Driver)\.(.+)$/.exec(verb) ?? [];
    if (of === '' || of === driver) return rest;
    driver = of;
    return verb;
  });
}
