import type { InboxCase } from '../case.ts';
import { ageCases } from './ages.ts';
import { keyCases } from './keys.ts';
import { markCases } from './marks.ts';
import { processCases } from './processes.ts';
import { transactionCases } from './transactions.ts';

export const inboxCases: readonly InboxCase[] = [
  ...markCases,
  ...ageCases,
  ...keyCases,
  ...transactionCases,
  ...processCases,
];
