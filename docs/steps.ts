/** One step on the way to an adapter: what is written in it, in the words of the seam. */
export interface Step {
  readonly title: string;
  /** Verbs, verdicts of `settle`, and what is declared from here on. */
  readonly write: readonly string[];
}

const queue = (...verbs: readonly string[]): readonly string[] =>
  verbs.map((verb) => `QueueDriver.${verb}`);
const log = (...verbs: readonly string[]): readonly string[] =>
  verbs.map((verb) => `LogDriver.${verb}`);

/** The order in which an adapter is best written: each step needs the ones before it. */
export const steps: readonly Step[] = [
  { title: 'Topics', write: queue('ensureTopic', 'topics', 'alterTopic') },
  {
    title: 'Subscriptions',
    write: [
      ...queue('ensureSubscription', 'removeSubscription', 'names', 'publish', 'inspect'),
      ...queue('consume'),
      "settle 'done'",
    ],
  },
  { title: 'Give back', write: ["settle 'back'"] },
  { title: 'Retry', write: ["settle 'again'"] },
  { title: 'Dead letters', write: ["settle 'dead'", "consume 'dead'"] },
  { title: 'Crashes', write: ['QueueMember.note'] },
  { title: 'Order by key', write: ['order.key', 'QueueMember.release'] },
  { title: 'Topics of the log', write: log('ensureTopic', 'topics', 'alterTopic', 'names') },
  { title: 'Append and read', write: log('append', 'read', 'bounds') },
  { title: 'Groups', write: log('join', 'pointers', 'removeGroup') },
  { title: 'Reset', write: log('edit') },
  { title: 'Times', write: log('placesAt') },
  { title: 'Retention', write: ['retention'] },
];
