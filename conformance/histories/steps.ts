import fc from 'fast-check';
import { BusError, type From } from '@duobus/core';
import type { Ask, PlainTopic } from '../src/protocol.ts';
import { restart } from './faults.ts';
import { look, readAll } from './looks.ts';
import { type Step, type StepKind, stepsOf } from './step.ts';
import { keyOf, type PlannedDocument, type World } from './world.ts';

const pick = fc.nat({ max: 11 });
const slot = fc.nat({ max: 2 });
const name = fc.constantFrom('a', 'b');
const behind = fc.boolean();

const asked: fc.Arbitrary<Ask | undefined> = fc.oneof(
  { weight: 8, arbitrary: fc.constant(undefined) },
  // The third attempt is the last: from then on it is a dead letter.
  { weight: 3, arbitrary: fc.record({ in: name, fails: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ fails: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ slowMs: fc.integer({ min: 1, max: 60 }) }) },
);

const planned: fc.Arbitrary<PlannedDocument> = fc.record({
  key: fc.option(fc.nat({ max: 2 }), { nil: undefined, freq: 6 }),
  ask: asked,
});

const publish: StepKind<{
  readonly slot: number;
  readonly topic: number;
  readonly documents: readonly PlannedDocument[];
  readonly behind: boolean;
}> = {
  weight: 8,
  plan: fc.record({
    slot,
    topic: pick,
    documents: fc.array(planned, { minLength: 1, maxLength: 4, size: 'max' }),
    behind,
  }),
  async run(world, plan) {
    const topic = world.topicAt(plan.topic);
    const member = await world.memberAt(plan.slot);
    const drafts = world.drafts(member, plan.documents, topic.options.order === 'key');
    const work = world.context.attempt(topic.kind, topic, drafts, member);
    if (plan.behind) world.behind(work.catch(() => undefined));
    else await work;
    return `${member.id} publishes to ${topic.kind}:${topic.name}${plan.behind ? ', unawaited' : ''}: ${JSON.stringify(drafts)}`;
  },
};

const subscribe: StepKind<{
  readonly slot: number;
  readonly topic: number;
  readonly name: string;
  readonly concurrency: number;
  readonly from: 'earliest' | 'latest';
}> = {
  weight: 6,
  plan: fc.record({
    slot,
    topic: pick,
    name,
    concurrency: fc.constantFrom(4, 1),
    from: fc.constantFrom('earliest', 'earliest', 'latest'),
  }),
  async run(world, plan) {
    const { kind, ...topic } = world.topicAt(plan.topic);
    const named = { kind, topic, name: plan.name };
    const member = await world.memberAt(plan.slot);
    const from = kind === 'data' ? { from: plan.from } : {};
    await world.consume(plan.slot, named, { concurrency: plan.concurrency, ...from });
    return `${member.id} consumes ${keyOf(named)}, ${plan.concurrency} at a time${kind === 'data' ? `, from ${plan.from}` : ''}`;
  },
};

const leave: StepKind<{ readonly consumer: number; readonly behind: boolean }> = {
  weight: 2,
  plan: fc.record({ consumer: pick, behind }),
  async run(world, plan) {
    const running = world.runningAt(plan.consumer);
    if (running === undefined) return undefined;
    const work = world.close(running);
    // Its process may die meanwhile.
    if (plan.behind && running.slot > 0) world.behind(work.catch(() => undefined));
    else if (plan.behind) world.behind(work);
    else await work;
    return `${running.consumer?.id ?? 'nobody'} of ${keyOf(running)} leaves${plan.behind ? ', unawaited' : ''}`;
  },
};

const crash: StepKind<{
  readonly slot: number;
  readonly consumer: number;
  readonly holding: boolean;
}> = {
  weight: 2,
  plan: fc.record({ slot: fc.integer({ min: 1, max: 2 }), consumer: pick, holding: fc.boolean() }),
  async run(world, plan) {
    const running = world.runningAt(plan.consumer, plan.slot);
    if (running === undefined) return undefined;
    const member = await world.memberAt(plan.slot);
    const held = plan.holding ? await hold(world, running, member.id) : '';
    await world.crash(plan.slot);
    return `${member.id} dies${held}`;
  },
};

/** Gives a consumer a document that it does not let go, unless another gets it. */
async function hold(
  world: World,
  running: NonNullable<ReturnType<World['runningAt']>>,
  heldBy: string,
): Promise<string> {
  const { context } = world;
  const { kind, topic, name: group, consumer } = running;
  const ask = { in: group, heldBy };
  const drafts = world.drafts(context.here, [{ key: 3, ask }], true);
  const [published] = await context.attempt(kind, topic, drafts);
  const op = published?.op;
  if (consumer !== undefined && op?.type === 'ok')
    await context.until(`${keyOf(running)} is given document ${op.n}`, () =>
      context.history.ops.some(
        (other) =>
          other.topic === op.topic &&
          ((other.f === 'deliver' && other.name === group && other.id === op.id) ||
            // It may have moved the group past it.
            (other.f === 'reset' && other.name === group && other.ended > op.begun)),
      ),
    );
  return `, given document ${op?.n} of ${keyOf(running)}`;
}

const reset: StepKind<{
  readonly group: number;
  readonly to: 'earliest' | 'latest' | number;
  readonly behind: boolean;
}> = {
  weight: 3,
  plan: fc.record({
    group: pick,
    to: fc.oneof(fc.constantFrom('earliest' as const, 'latest' as const), fc.nat({ max: 30 })),
    behind,
  }),
  async run(world, plan) {
    const group = world.groupAt(plan.group);
    if (group === undefined) return undefined;
    const to =
      typeof plan.to === 'string' ? plan.to : resetTo(placeOf(world, group.topic, plan.to));
    if (to === undefined) return undefined;
    const work = world.context.reset(group.topic, group.name, to).catch((error: unknown) => {
      // Whether it has moved anything is not known then, so that nobody repeats it.
      if (!world.isHurt || !BusError.is(error) || !error.retryable) throw error;
    });
    if (plan.behind) world.behind(work);
    else await work;
    return `${keyOf(group)} is reset to ${JSON.stringify(to)}${plan.behind ? ', unawaited' : ''}`;
  },
};

/** One of the places that are known. */
function placeOf(world: World, topic: PlainTopic, which: number): string | undefined {
  const known = new Set(
    [...world.context.history.of('publish'), ...world.context.history.of('deliver')]
      .filter((op) => op.topic === `data:${topic.name}`)
      .flatMap(({ position }) => (position === undefined ? [] : [position])),
  );
  return [...known][which % known.size];
}

function resetTo(position: string | undefined): From | undefined {
  return position === undefined ? undefined : { positions: { [partitionIn(position)]: position } };
}

const partitionIn = (position: string): number => Number(position.split('.')[2]);

const refusedReset: StepKind<{
  readonly group: number;
  readonly place: number;
  readonly how: 'nonsense' | 'no-such-partition' | 'beyond-the-end';
}> = {
  weight: 1,
  plan: fc.record({
    group: pick,
    place: fc.nat({ max: 30 }),
    how: fc.constantFrom('nonsense', 'no-such-partition', 'beyond-the-end'),
  }),
  async run(world, plan) {
    const group = world.groupAt(plan.group);
    if (group === undefined) return undefined;
    const place = placeOf(world, group.topic, plan.place);
    if (place === undefined) return undefined;
    const partition = partitionIn(place);
    const positions = {
      nonsense: { [partition]: 'nonsense' },
      'no-such-partition': { 99: place },
      'beyond-the-end': { [partition]: beyond(place) },
    }[plan.how];
    await look(world.context, group.topic, group.name);
    const said = `a reset of ${keyOf(group)} to ${JSON.stringify(positions)}`;
    const refused = await world.context.reset(group.topic, group.name, { positions }).then(
      () => false,
      () => true,
    );
    if (!refused) throw new Error(`${said} has to be refused`);
    await look(world.context, group.topic, group.name);
    return `${said} is refused`;
  },
};

function beyond(position: string): string {
  return position.replace(
    /\.(\d+)(-\d+)?$/,
    (_, offset: string, time: string | undefined) => `.${Number(offset) + 1_000_000}${time ?? ''}`,
  );
}

const wait: StepKind<{ readonly ms: number }> = {
  weight: 4,
  plan: fc.record({ ms: fc.integer({ min: 1, max: 150 }) }),
  async run({ context: { clock } }, { ms }) {
    await new Promise<void>((resolve) => {
      clock.after(ms, resolve);
    });
    return `${ms} ms pass`;
  },
};

const lookAt: StepKind<{ readonly group: number }> = {
  weight: 2,
  plan: fc.record({ group: pick }),
  async run(world, plan) {
    const group = world.groupAt(plan.group);
    if (group === undefined) return undefined;
    await look(world.context, group.topic, group.name);
    return `the pointers of ${keyOf(group)} are looked at`;
  },
};

const read: StepKind<{ readonly topic: number }> = {
  weight: 1,
  plan: fc.record({ topic: pick }),
  async run(world, plan) {
    const topic = world.topicAt(plan.topic);
    const made = world.context.history.ops.some(
      (op) => op.topic === `data:${topic.name}` && op.type === 'ok',
    );
    if (!made) return undefined;
    await readAll(world.context, topic);
    return `data:${topic.name} is read`;
  },
};

/** All that may happen. Faults of the broker are further entries: they mark a `fault` for what they hurt. */
export const steps: fc.Arbitrary<Step> = fc.oneof(
  entry('publish', publish),
  entry('subscribe', subscribe),
  entry('leave', leave),
  entry('crash', crash),
  entry('reset', reset),
  entry('refused-reset', refusedReset),
  entry('wait', wait),
  entry('look', lookAt),
  entry('read', read),
  entry('restart', restart),
);

function entry<Plan>(
  called: string,
  kind: StepKind<Plan>,
): { readonly weight: number; readonly arbitrary: fc.Arbitrary<Step> } {
  return { weight: kind.weight, arbitrary: stepsOf(called, kind) };
}
