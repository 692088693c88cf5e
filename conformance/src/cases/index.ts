import type { Case } from '../case.ts';
import { cases as close } from './close.ts';
import { cases as crash } from './crash.ts';
import { cases as deletion } from './deletion.ts';
import { cases as failure } from './failure.ts';
import { cases as fanOut } from './fan-out.ts';
import { cases as groups } from './groups.ts';
import { cases as handler } from './handler.ts';
import { cases as lag } from './lag.ts';
import { cases as order } from './order.ts';
import { cases as poison } from './poison.ts';
import { cases as publish } from './publish.ts';
import { cases as replay } from './replay.ts';
import { cases as reset } from './reset.ts';
import { cases as resetRaces } from './reset-races.ts';
import { cases as staleness } from './staleness.ts';
import { cases as topics } from './topics.ts';

/** Every case of the suite, by what it is about. */
export const cases: readonly Case[] = [
  ...fanOut,
  ...deletion,
  ...failure,
  ...crash,
  ...order,
  ...groups,
  ...poison,
  ...reset,
  ...resetRaces,
  ...replay,
  ...lag,
  ...topics,
  ...publish,
  ...handler,
  ...close,
  ...staleness,
];
