import { assign, type Clock } from '@duobus/core/driver';
import { Alarm } from './alarm.ts';

/** What a member is told about its partitions. */
export interface Owner {
  assigned(partition: number, token: number): void;
  revoking(partition: number, token: number, withinMs: number): void;
  /** Called only when the partition was taken away: not after a release, not when the member left. */
  revoked(partition: number, token: number): void;
}

interface Holding<Member> {
  readonly member: Member;
  readonly token: number;
  /** Set once the member has been asked to give the partition up. */
  deadline: number | undefined;
}

/** Who owns which partition: at most one member each, fairly shared, moved only after a release or a deadline. */
export class Ownership<Member extends Owner> {
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #alarm: Alarm;
  readonly #members: Member[] = [];
  readonly #holdings = new Map<number, Holding<Member>>();
  #partitions: number;
  #lastToken = 0;

  constructor(clock: Clock, partitions: number, leaseMs: number) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
    this.#partitions = partitions;
    this.#alarm = new Alarm(clock, () => this.#expire());
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  get partitions(): number {
    return this.#partitions;
  }

  join(member: Member): void {
    this.#members.push(member);
    this.#balance();
  }

  /** Frees what the member holds, at once. */
  leave(member: Member): void {
    const index = this.#members.indexOf(member);
    if (index < 0) return;
    this.#members.splice(index, 1);
    for (const [partition, holding] of this.#holdings) {
      if (holding.member === member) this.#holdings.delete(partition);
    }
    this.#balance();
  }

  release(member: Member, partition: number, token?: number): boolean {
    const holding = this.#holdings.get(partition);
    if (holding?.member !== member || (token !== undefined && holding.token !== token))
      return false;
    this.#holdings.delete(partition);
    this.#balance();
    return true;
  }

  owns(member: Member, partition: number, token?: number): boolean {
    const holding = this.#holdings.get(partition);
    return holding?.member === member && (token === undefined || holding.token === token);
  }

  /** Who may be handed documents of the partition now. */
  owner(partition: number): Member | undefined {
    const holding = this.#holdings.get(partition);
    return holding?.deadline === undefined ? holding?.member : undefined;
  }

  grow(partitions: number): void {
    this.#partitions = partitions;
    this.#balance();
  }

  #balance(): void {
    const current = new Map(
      [...this.#holdings].map(([partition, holding]) => [partition, holding.member]),
    );
    const wanted = assign(this.#members, this.#partitions, current);
    for (const [partition, member] of wanted) {
      const holding = this.#holdings.get(partition);
      if (holding === undefined) this.#give(partition, member);
      else if (holding.member !== member && holding.deadline === undefined)
        this.#ask(partition, holding);
    }
    this.#wind();
  }

  #give(partition: number, member: Member): void {
    this.#lastToken += 1;
    this.#holdings.set(partition, { member, token: this.#lastToken, deadline: undefined });
    member.assigned(partition, this.#lastToken);
  }

  #ask(partition: number, holding: Holding<Member>): void {
    holding.deadline = this.#clock.now() + this.#leaseMs;
    holding.member.revoking(partition, holding.token, this.#leaseMs);
  }

  #expire(): void {
    const now = this.#clock.now();
    for (const [partition, holding] of this.#holdings) {
      if (holding.deadline === undefined || holding.deadline > now) continue;
      this.#holdings.delete(partition);
      holding.member.revoked(partition, holding.token);
    }
    this.#balance();
  }

  #wind(): void {
    let earliest: number | undefined;
    for (const { deadline } of this.#holdings.values()) {
      if (deadline !== undefined && (earliest === undefined || deadline < earliest))
        earliest = deadline;
    }
    this.#alarm.set(earliest);
  }
}
