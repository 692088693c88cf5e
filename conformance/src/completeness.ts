import { Fault } from './fault.ts';
import { type DeliverOp, type History, type MarkOp, type PublishOp, sameAs } from './history.ts';
import type { Predicate } from './predicates.ts';

/** What is sure to be stored reaches every subscription and group that was there for it, and is finished with when they
 *  are seen to hold nothing any more (3c: E1). */
export const reachesAll: Predicate = (history) => {
  const faults: Fault[] = [];
  for (const [key, drained] of lastOf(history.of('drained'))) {
    const sure = sureFor(history, drained);
    const last = new Map<string, DeliverOp>();
    for (const op of history.of('deliver')) {
      if (`${op.topic}/${op.name}` === key && op.begun < drained.begun) last.set(op.id, op);
    }
    for (const published of sure) {
      const what = `${key}: document ${published.n}`;
      const ended = last.get(published.id);
      if (ended === undefined)
        faults.push(new Fault(`${what} was published and never came`, [published, drained]));
      else if (ended.ended > drained.begun || ended.type === 'info')
        faults.push(new Fault(`${what} was taken and never finished`, [published, ended, drained]));
    }
  }
  return faults;
};

function lastOf(marks: readonly MarkOp[]): Map<string, MarkOp> {
  return new Map(marks.map((mark) => [`${mark.topic}/${mark.name}`, mark]));
}

/** Publishes that a subscription or group has to see whatever happened. */
function sureFor(history: History, drained: MarkOp): PublishOp[] {
  const own = sameAs(drained);
  const created = history.of('subscribe').find((op) => own(op) && op.type === 'ok');
  if (created === undefined) return [];
  const all = drained.topic.startsWith('data:') && (created.from ?? 'earliest') === 'earliest';
  // A reset forward leaves out what was there before it.
  const resets = history.of('reset').filter((op) => own(op) && op.type !== 'fail');
  const since = Math.max(all ? 0 : created.ended, ...resets.map(({ ended }) => ended));
  return history
    .of('publish')
    .filter((op) => op.topic === drained.topic && op.type === 'ok')
    .filter(({ begun, ended }) => begun > since && ended < drained.begun);
}

/** What a consumer has handled before it was closed in an orderly way comes to nobody again (3c: E3, D6). What was
 *  finished while a reset was on its way may have been given up a moment before (D5). */
export const closeRepeatsNothing: Predicate = (history) => {
  const deliveries = history.of('deliver');
  return history.of('close').flatMap((close) => {
    if (close.type !== 'ok' || close.consumer === undefined) return [];
    const disturbed = [...history.of('fault'), ...history.of('crash')].some(
      ({ f, topic, name, process, begun }) =>
        topic === close.topic &&
        name === close.name &&
        begun < close.ended &&
        (f === 'fault' || process === close.process),
    );
    if (disturbed) return [];
    const own = sameAs(close);
    const resets = history.of('reset').filter((op) => own(op) && op.type !== 'fail');
    const handled = deliveries.filter(
      ({ consumer, type, ended }) =>
        consumer === close.consumer &&
        type === 'ok' &&
        ended < close.ended &&
        resets.every(
          (reset) => reset.begun > ended || (reset.type === 'ok' && reset.ended < ended),
        ),
    );
    return handled.flatMap((op) => {
      const again = deliveries.find(
        ({ id, topic, name, epoch, begun, cause }) =>
          id === op.id &&
          topic === op.topic &&
          name === op.name &&
          epoch === op.epoch &&
          begun > close.ended &&
          ['retry', 'returned', 'takeover'].includes(cause),
      );
      return again === undefined
        ? []
        : [
            new Fault(
              `${op.topic}/${op.name}: document ${op.n} came again (${again.cause}) though ${op.consumer} had handled it and was closed`,
              [op, close, again],
            ),
          ];
    });
  });
};

/** What has failed for good is a dead letter, once; nothing else is (E6). */
export const failuresAreKept: Predicate = (history) =>
  history.of('letters').flatMap((listing) => {
    if (listing.type !== 'ok') return [];
    const own = sameAs(listing);
    const mine = history.of('deliver').filter((op) => own(op) && op.begun < listing.begun);
    // What a reset has passed is not tried any more.
    const moved = history.of('reset').filter((op) => own(op) && op.type !== 'fail');
    const last = new Map(mine.map((op) => [op.id, op]));
    const kept = new Set(listing.letters.map(({ id }) => id));
    const who = `${listing.topic}/${listing.name}`;
    const twice = listing.letters.length - new Set(listing.letters.map((one) => one.identity)).size;
    return [
      ...[...last.values()]
        .filter(
          ({ id, type, begun }) =>
            type === 'fail' && !kept.has(id) && moved.every(({ ended }) => ended < begun),
        )
        .map(
          (op) =>
            new Fault(
              `${who}: document ${op.n} failed in attempt ${op.attempt}, is not tried again and is no dead letter`,
              [op, listing],
            ),
        ),
      ...[...kept]
        .filter((id) => !mine.some((op) => op.id === id && op.type === 'fail'))
        .map(
          (id) =>
            new Fault(`${who}: document ${id} is a dead letter and never failed`, [
              ...mine.filter((op) => op.id === id),
              listing,
            ]),
        ),
      ...(twice > 0
        ? [new Fault(`${who}: ${twice} dead letters are listed twice`, [listing])]
        : []),
    ];
  });

/** Whether subscriptions are as they would be without another: the same run twice, once without it (3c: E4).
 *  `alias`: what a topic of the second run was called in the first. */
export function independent(
  withIt: History,
  without: History,
  other: string,
  alias: (topic: string) => string = (topic) => topic,
): string[] {
  const faults: string[] = [];
  const [one, two] = [fatesOf(withIt), fatesOf(without, alias)];
  for (const key of new Set([...one.keys(), ...two.keys()])) {
    if (key === other) continue;
    const [first, second] = [one.get(key) ?? noFates, two.get(key) ?? noFates];
    for (const n of missedBy(second, first))
      faults.push(`${key}: document ${n} is not handled without ${other} and otherwise is`);
    for (const n of missedBy(first, second))
      faults.push(`${key}: document ${n} is not handled with ${other} and otherwise is`);
  }
  return faults;
}

/** Numbers of the documents that have to come, and of those that were handled. */
interface Fates {
  readonly sure: ReadonlySet<number>;
  readonly handled: ReadonlySet<number>;
}

const noFates: Fates = { sure: new Set(), handled: new Set() };

function fatesOf(
  history: History,
  alias: (topic: string) => string = (topic) => topic,
): Map<string, Fates> {
  const found = new Map<string, Fates>();
  for (const [key, drained] of lastOf(history.of('drained'))) {
    const sure = new Set(sureFor(history, drained).map(({ n }) => n));
    const mine = history
      .of('deliver')
      .filter((op) => `${op.topic}/${op.name}` === key && op.type === 'ok');
    const handled = new Set(mine.map(({ n }) => n));
    found.set(`${alias(drained.topic)}/${drained.name}`, { sure, handled });
  }
  return found;
}

/** What only the others have handled, though here too it had to come. */
function missedBy(here: Fates, others: Fates): number[] {
  return [...others.handled].filter((n) => here.sure.has(n) && !here.handled.has(n));
}
