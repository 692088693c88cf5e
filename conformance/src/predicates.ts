import { Fault } from './fault.ts';
import {
  type DeliverOp,
  type History,
  type MarkOp,
  type Op,
  type PublishOp,
  sameAs,
} from './history.ts';

/** Looks through a history and says what is wrong with it. */
export type Predicate = (history: History) => Fault[];

const where = (op: DeliverOp): string =>
  `${op.topic}/${op.name}: document ${op.n}${op.key === undefined ? '' : ` of key ${op.key}`}`;

/** Deliveries by subscription or group, and document. */
function byDocument(history: History): Map<string, DeliverOp[]> {
  return grouped(history.of('deliver'), (op) => `${op.topic}/${op.name}/${op.id}`);
}

function grouped<T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}

function publishes(history: History): Map<string, PublishOp[]> {
  return grouped(history.of('publish'), (op) => `${op.topic}/${op.id}`);
}

/** Nothing is delivered that nobody published, or whose publish was refused (Jepsen: unexpected, G1a). */
export const noPhantoms: Predicate = (history) => {
  const known = publishes(history);
  return history.of('deliver').flatMap((op) => {
    const attempts = known.get(`${op.topic}/${op.id}`);
    if (attempts === undefined)
      return [new Fault(`${where(op)} was delivered and never published there`, [op])];
    return attempts.every(({ type }) => type === 'fail')
      ? [
          new Fault(`${where(op)} was delivered although its publish was rejected`, [
            ...attempts,
            op,
          ]),
        ]
      : [];
  });
};

/** What is delivered is what was published: same bytes, attributes and key. */
export const nothingAltered: Predicate = (history) => {
  const known = publishes(history);
  return history.of('deliver').flatMap((op) => {
    const attempts = known.get(`${op.topic}/${op.id}`) ?? [];
    const same = attempts.some(
      ({ digest, key, n }) => digest === op.digest && key === op.key && n === op.n,
    );
    return attempts.length === 0 || same
      ? []
      : [
          new Fault(
            `${where(op)} arrived altered: ${op.digest}, published ${attempts.map(({ digest }) => digest).join(' or ')}`,
            [...attempts, op],
          ),
        ];
  });
};

/** An event subscription never sees what was published before the call that created it (E3). */
export const noHistory: Predicate = (history) => {
  const known = publishes(history);
  const created = new Map<string, Op>();
  for (const op of history.of('subscribe')) {
    const key = `${op.topic}/${op.name}`;
    if (op.topic.startsWith('event:') && op.type === 'ok' && !created.has(key))
      created.set(key, op);
  }
  return history.of('deliver').flatMap((op) => {
    const creation = created.get(`${op.topic}/${op.name}`);
    const attempts = known.get(`${op.topic}/${op.id}`) ?? [];
    return creation !== undefined &&
      attempts.length > 0 &&
      attempts.every(({ ended }) => ended < creation.begun)
      ? [
          new Fault(`${where(op)} was published before the subscription was created`, [
            ...attempts,
            creation,
            op,
          ]),
        ]
      : [];
  });
};

/** What can explain a repetition: it must have happened before it. */
function explained(
  op: DeliverOp,
  earlier: readonly DeliverOp[],
  { ops, brokerRepeats }: History,
  tries: number,
): boolean {
  const before = ops.filter(
    (other) =>
      other.begun < op.begun &&
      other.topic === op.topic &&
      other.f !== 'publish' &&
      other.f !== 'deliver' &&
      other.f !== 'read' &&
      other.name === op.name,
  );
  const has = (...kinds: Op['f'][]): boolean => before.some(({ f }) => kinds.includes(f));
  const moved = (): boolean =>
    has('close', 'crash', 'fault', 'alter') ||
    before.filter(({ f }) => f === 'subscribe').length > 1;
  switch (op.cause) {
    case 'first':
      // The same envelope published again is another record: brokers cannot know better.
      return earlier.filter(({ cause }) => cause === 'first').length < tries;
    case 'retry':
      return earlier.some(({ type, ended }) => type === 'fail' && ended < op.begun) || moved();
    case 'returned':
      return moved() || has('reset');
    case 'takeover':
      return moved();
    case 'reset':
      return has('reset');
    case 'redrive':
      return has('redrive');
    case 'republished':
      return tries > 1;
    case 'broker':
      return brokerRepeats;
    default:
      return false;
  }
}

/** Every delivery after the first has a cause, and the cause has happened (E12). */
export const causedDuplicates: Predicate = (history) => {
  const known = publishes(history);
  return [...byDocument(history).values()].flatMap((deliveries) =>
    deliveries.slice(1).flatMap((op, index) => {
      const published = known.get(`${op.topic}/${op.id}`) ?? [];
      const story = [...published, ...deliveries.slice(0, index + 2)];
      if (!explained(op, deliveries.slice(0, index + 1), history, published.length)) {
        return [
          new Fault(
            `${where(op)} was delivered ${index + 2} times, with cause '${op.cause}' and nothing that explains it`,
            story,
          ),
        ];
      }
      return op.redelivered || op.cause === 'republished' || op.cause === 'first'
        ? []
        : [
            new Fault(
              `${where(op)} was delivered again (${op.cause}) and says redelivered: false`,
              story,
            ),
          ];
    }),
  );
};

/** After a subscription or group was seen to hold nothing, nothing that was handled before comes back (E5). */
export const readOnce: Predicate = (history) => {
  const drained = grouped(history.of('drained'), (op) => `${op.topic}/${op.name}`);
  return [...byDocument(history).values()].flatMap((deliveries) => {
    const marks = drained.get(`${deliveries[0]?.topic}/${deliveries[0]?.name}`) ?? [];
    return deliveries.flatMap((op, index) => {
      const wanted = ['reset', 'redrive', 'republished'].includes(op.cause) || op.cause === 'first';
      const mark = marks.findLast(({ begun }) => begun < op.begun);
      if (mark === undefined || wanted) return [];
      const handled = deliveries
        .slice(0, index)
        .find(({ type, ended }) => type === 'ok' && ended < mark.begun);
      return handled === undefined
        ? []
        : [
            new Fault(`${where(op)} came back (${op.cause}) after it was handled and settled`, [
              handled,
              mark,
              op,
            ]),
          ];
    });
  });
};

/** Whether one is still being handled when the other begins. What ran when the broker failed may have lost its claim. */
function overlaps(earlier: DeliverOp, op: DeliverOp, faults: readonly MarkOp[]): boolean {
  return (
    earlier.ended > op.begun &&
    earlier.type !== 'info' &&
    !faults.some(({ begun, ended }) => ended > earlier.begun && begun < op.begun)
  );
}

/** Two consumers of one subscription never have the same document at a time (E2). */
export const oneConsumerAtATime: Predicate = (history) => {
  const known = publishes(history);
  return [...byDocument(history).values()].flatMap((deliveries) =>
    deliveries.slice(1).flatMap((op, index) => {
      // Published twice it is two records, which may be handed out side by side.
      if ((known.get(`${op.topic}/${op.id}`)?.length ?? 0) > 1) return [];
      const faults = history.of('fault').filter(sameAs(op));
      const other = deliveries.slice(0, index + 1).find((earlier) => overlaps(earlier, op, faults));
      return other === undefined
        ? []
        : [
            new Fault(`${where(op)} was handed to ${op.consumer} while ${other.consumer} had it`, [
              other,
              op,
            ]),
          ];
    }),
  );
};

/** `attempt` is one more than the runs that failed since the last reset or redrive (C3). The failure that a process dies
 *  with may never have been written, and a reset that is under way lets none count. */
export const attemptsCount: Predicate = (history) => {
  const resets = history.of('reset').filter(({ type }) => type !== 'fail');
  const losses = [...history.of('crash'), ...history.of('fault'), ...resets];
  return [...byDocument(history).values()].flatMap((deliveries) => {
    let failed = 0;
    return deliveries.flatMap((op, index) => {
      const before = deliveries[index - 1];
      if (
        op.cause === 'reset' ||
        op.cause === 'redrive' ||
        op.cause === 'republished' ||
        op.epoch !== before?.epoch
      )
        failed = 0;
      const forgotten =
        before?.type === 'fail' &&
        op.attempt === failed &&
        losses.some(
          (loss) => sameAs(op)(loss) && loss.ended > before.ended && loss.begun < op.begun,
        );
      if (forgotten) failed -= 1;
      const wrong =
        op.attempt < 1 ||
        op.attempt > failed + 1 ||
        (op.cause === 'retry' && op.attempt !== failed + 1);
      const message = `${where(op)} says attempt ${op.attempt} after ${failed} failed runs`;
      if (op.type === 'fail') failed += 1;
      return wrong ? [new Fault(message, deliveries.slice(0, index + 1))] : [];
    });
  });
};

/** Documents of a key are handled in the order in which they were published, one at a time (C12). */
export const keyOrder =
  (topic: string): Predicate =>
  (history) => {
    const order = new Map(
      history
        .of('publish')
        .filter((op) => op.topic === topic && op.type !== 'fail')
        .map((op) => [op.id, op]),
    );
    const lanes = grouped(
      history
        .of('deliver')
        .filter((op) => op.topic === topic && op.key !== undefined && op.cause !== 'redrive'),
      (op) => `${op.name}/${op.epoch}/${op.key}`,
    );
    const deaths = [...history.of('crash'), ...history.of('fault')];
    return [...lanes.values()].flatMap((lane) =>
      lane.flatMap((op, index) =>
        laneFaults(
          op,
          lane.slice(0, index),
          lane.slice(index + 1),
          order,
          deaths.filter(sameAs(op)),
        ),
      ),
    );
  };

function laneFaults(
  op: DeliverOp,
  before: readonly DeliverOp[],
  after: readonly DeliverOp[],
  published: ReadonlyMap<string, PublishOp>,
  deaths: readonly MarkOp[],
): Fault[] {
  const faults: Fault[] = [];
  const placeOf = (id: string): number => published.get(id)?.begun ?? 0;
  const found = (text: string, other: DeliverOp): void => {
    const both = [published.get(op.id), published.get(other.id)];
    const story = [...both.filter((one) => one !== undefined), other, op];
    faults.push(new Fault(`${where(op)} ${text}`, story));
  };
  const at = placeOf(op.id);
  const running = before.find(
    (other) =>
      other.id !== op.id &&
      overlaps(
        other,
        op,
        deaths.filter(({ f }) => f === 'fault'),
      ),
  );
  if (running !== undefined)
    found(`began while document ${running.n} of the same key was being handled`, running);
  const overtaken = after.find(
    ({ id }) => placeOf(id) < at && !before.some((earlier) => earlier.id === id),
  );
  if (overtaken !== undefined)
    found(
      `was handled before document ${overtaken.n} of the same key, which was published earlier`,
      overtaken,
    );
  const open = before.findLast(({ id }) => id !== op.id && placeOf(id) < at);
  const again = after.find(({ id }) => id === open?.id);
  // A dead letter whose process dies before that is written comes once more.
  const died = deaths.some(({ begun, ended }) => ended > op.begun && begun < (again?.begun ?? 0));
  if (open?.type === 'fail' && again?.cause === 'retry' && !died)
    found(`passed document ${open.n} of the same key while that was waiting for its retry`, open);
  return faults;
}
