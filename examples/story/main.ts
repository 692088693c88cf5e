import { crash } from './scenes/crash.ts';
import { deadLetter } from './scenes/dead-letter.ts';
import { fanOut } from './scenes/fan-out.ts';
import { history } from './scenes/history.ts';
import { lateSubscriber } from './scenes/late-subscriber.ts';
import { replay } from './scenes/replay.ts';
import { BrokenPromise, checksPassed, say, title } from '../telling.ts';
import { summary } from './summary.ts';
import { World } from './world.ts';

/** Tells the story of a web shop on two buses, and checks every claim it makes. */
async function main(): Promise<void> {
  const began = performance.now();
  title('duobus: a web shop on two buses');
  say('An event bus tells services what happened: each has a queue, and reading removes.');
  say('A data bus keeps what was said: each reader has a pointer, and can go back.');
  const world = await World.open();
  try {
    const services = await fanOut(world);
    await lateSubscriber(world);
    await crash(world, services);
    const analytics = await history(world);
    await replay(world, analytics);
    await deadLetter(world, services);
    await summary(world, analytics.bus);
  } finally {
    await world.close();
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  title(`\nThe story holds: ${checksPassed()} of ${checksPassed()} checks in ${seconds} s.`);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof BrokenPromise ? `\nFAILED: ${error.message}` : error);
  process.exitCode = 1;
}
