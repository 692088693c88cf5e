import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Brake } from '../src/runtime/brake.ts';
import { contextOf } from './support/scripted-source.ts';

function setUp(): {
  readonly brake: Brake;
  readonly clock: ReturnType<typeof contextOf>['clock'];
  readonly changes: boolean[];
  wakes: number;
} {
  const { context, clock } = contextOf();
  const changes: boolean[] = [];
  const world = { clock, changes, wakes: 0, brake: undefined as unknown as Brake };
  world.brake = new Brake(
    context.timers,
    { brakeAfter: 3, brakeMs: 1_000 },
    () => (world.wakes += 1),
    (on) => changes.push(on),
  );
  return world;
}

describe('Brake', () => {
  it('goes on after so many in a row, and a success in between begins anew', () => {
    const { brake, changes } = setUp();
    brake.exhausted();
    brake.exhausted();
    brake.success();
    brake.exhausted();
    brake.exhausted();
    assert.ok(!brake.on);
    brake.exhausted();
    assert.ok(brake.on);
    assert.deepEqual(changes, [true]);
  });

  it('lets one document through in each interval until one succeeds', async () => {
    const world = setUp();
    for (let n = 0; n < 3; n += 1) world.brake.exhausted();
    assert.ok(!world.brake.mayTry);
    await world.clock.advance(1_000);
    assert.ok(world.brake.mayTry);
    assert.equal(world.wakes, 1);
    world.brake.tried();
    assert.ok(!world.brake.mayTry);
    world.brake.exhausted();
    await world.clock.advance(1_000);
    assert.equal(world.wakes, 2);
    world.brake.success();
    assert.ok(!world.brake.on);
    assert.deepEqual(world.changes, [true, false]);
    assert.equal(world.clock.next, undefined, 'no timer is left');
  });
});
