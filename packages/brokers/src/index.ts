export { type Broker, startBroker } from './broker.ts';
export { type BrokerUser, type Endpoints, type StartOptions, users } from './options.ts';
export { sweep } from './instance.ts';
export { down, type SharedBroker, type Status, status, testUrl, up } from './shared.ts';
export { type BrokerKind, urlVariables } from './spec.ts';
