import {
  abortable,
  BusError,
  type Clock,
  type EditResult,
  type PointerWrite,
  type StoredPointer,
} from '@duobus/core/driver';
import type { MemoryLogMember } from './log-member.ts';
import { Ownership } from './ownership.ts';

const maxPointerBytes = 3_072;

/** A group of a topic: its pointers, and who owns which partition. */
export class Group {
  readonly name: string;
  readonly topic: string;
  readonly ownership: Ownership<MemoryLogMember>;
  readonly #pointers: (StoredPointer | undefined)[] = [];
  #edits: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(topic: string, name: string, partitions: number, clock: Clock, leaseMs: number) {
    this.topic = topic;
    this.name = name;
    this.ownership = new Ownership(clock, partitions, leaseMs);
  }

  /** Whether there is anything that outlives its members. */
  get stored(): boolean {
    return this.#pointers.some((pointer) => pointer !== undefined);
  }

  pointer(partition: number): StoredPointer | undefined {
    return this.#pointers[partition];
  }

  pointers(): readonly (StoredPointer | undefined)[] {
    return Array.from(
      { length: this.ownership.partitions },
      (_, partition) => this.#pointers[partition],
    );
  }

  commit(member: MemoryLogMember, write: PointerWrite): 'ok' | 'fenced' {
    if (!this.ownership.owns(member, write.partition, write.token)) return 'fenced';
    this.#pointers[write.partition] = this.#checked(write.pointer);
    return 'ok';
  }

  /** One edit after the other, each while nobody owns anything. */
  async edit(
    change: (partition: number, stored: StoredPointer | undefined) => StoredPointer | undefined,
    graceMs: number,
    signal: AbortSignal,
  ): Promise<EditResult> {
    const before = this.#edits;
    let passOn = (): void => undefined;
    this.#edits = Promise.all([before, new Promise<void>((resolve) => (passOn = resolve))]);
    this.#waiting += 1;
    try {
      try {
        await abortable(before, signal);
      } finally {
        this.#waiting -= 1;
      }
      return await this.#editNow(change, graceMs, signal);
    } finally {
      passOn();
    }
  }

  async #editNow(
    change: (partition: number, stored: StoredPointer | undefined) => StoredPointer | undefined,
    graceMs: number,
    signal: AbortSignal,
  ): Promise<EditResult> {
    try {
      await abortable(this.ownership.freeze(graceMs), signal);
      const changed = this.pointers().map((stored, partition) => change(partition, stored));
      const checked = changed.map((pointer) =>
        pointer === undefined ? undefined : this.#checked(pointer),
      );
      for (const [partition, pointer] of checked.entries()) {
        if (pointer !== undefined) this.#pointers[partition] = pointer;
      }
      return { superseded: this.#waiting > 0 };
    } finally {
      this.ownership.thaw();
    }
  }

  #checked({ place, text }: StoredPointer): StoredPointer {
    const bytes = Buffer.byteLength(text);
    if (bytes > maxPointerBytes) {
      throw new BusError(
        'DUOBUS_BUG',
        `a pointer of group ${this.name} on topic ${this.topic} has ${bytes} bytes, at most ${maxPointerBytes} are allowed`,
      );
    }
    return Object.freeze({
      place: Object.freeze({ offset: place.offset, time: place.time }),
      text,
    });
  }
}
