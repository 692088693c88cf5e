import type { Bounds, Place } from '@duobus/core/driver';
import type { Carrier } from './carrier.ts';
import type { Broker } from './client.ts';
import type { Leaders } from './leaders.ts';

const readCommitted = 1;
const earliest = '-2';
const latest = '-1';
/** The leader has moved, or is moving: what is known of it is out of date. */
export const leadershipCodes: readonly (number | undefined)[] = [3, 5, 6, 9, 56, 74, 75, 78, 100];

/** Where partitions begin and end, and what was appended when. */
export class LogEnds {
  readonly #carrier: Pick<Carrier, 'call'>;
  readonly #leaders: Leaders;

  constructor(carrier: Pick<Carrier, 'call'>, leaders: Leaders) {
    this.#carrier = carrier;
    this.#leaders = leaders;
  }

  async bounds(topic: string, partitions: readonly number[]): Promise<readonly Bounds[]> {
    const [first, end] = await Promise.all([
      this.#offsets(topic, partitions, earliest),
      this.#offsets(topic, partitions, latest),
    ]);
    // an end that was asked for before retention moved the beginning past it
    return partitions.map((_, index) => ({
      first: first[index] as Place,
      end: {
        offset: Math.max((end[index] as Place).offset, (first[index] as Place).offset),
        time: 0,
      },
    }));
  }

  /** First record at `timeMs` or later, else the end as it was before the search. */
  async placesAt(
    topic: string,
    partitions: readonly number[],
    timeMs: number,
  ): Promise<readonly Place[]> {
    const ends = await this.#offsets(topic, partitions, latest);
    const found = await this.#offsets(topic, partitions, String(Math.max(0, Math.ceil(timeMs))));
    return found.map((place, index) => (place.offset < 0 ? (ends[index] as Place) : place));
  }

  async #offsets(
    topic: string,
    partitions: readonly number[],
    timestamp: string,
  ): Promise<readonly Place[]> {
    const places = new Map<number, Place>();
    await this.atLeaders(topic, partitions, async (leader, led) => {
      const topics = [{ topic, partitions: led.map((partition) => ({ partition, timestamp })) }];
      const { responses } = await this.#carrier.call(leader, (broker) =>
        broker.listOffsets({ isolationLevel: readCommitted, topics }),
      );
      for (const { partition, offset, timestamp: time } of responses.flatMap(
        (response) => response.partitions,
      )) {
        places.set(partition, { offset: Number(offset), time: Math.max(0, Number(time)) });
      }
    });
    return partitions.map((partition) => places.get(partition) ?? { offset: -1, time: 0 });
  }

  /** Asks every leader about those of the partitions that it leads. */
  async atLeaders(
    topic: string,
    partitions: readonly number[],
    ask: (leader: Broker, led: readonly number[]) => Promise<void>,
  ): Promise<void> {
    await this.#leaders.relying(topic, async () => {
      const leaders = await Promise.all(
        partitions.map((partition) => this.#leaders.of(topic, partition)),
      );
      const groups = new Map<Broker, number[]>();
      for (const [index, leader] of leaders.entries()) {
        const led = groups.get(leader);
        if (led === undefined) groups.set(leader, [partitions[index] as number]);
        else led.push(partitions[index] as number);
      }
      await Promise.all([...groups].map(([leader, led]) => ask(leader, led)));
    });
  }
}
