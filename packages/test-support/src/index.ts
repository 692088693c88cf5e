export { Consumers } from './consumers.ts';
export { Looks } from './looks.ts';
