export { objectLogCapabilities } from './capabilities.ts';
export { ObjectCells, type ObjectCellsOptions } from './object-cells.ts';
export { ObjectLogDriver } from './object-log-driver.ts';
export type {
  Condition,
  Doorbell,
  ListedObject,
  Listing,
  ObjectStore,
  StoredObject,
} from './object-store.ts';
export type { ObjectLogOptions, UpkeepOptions } from './options.ts';
export {
  type ShelfOptions,
  type ShelvedTopic,
  topicGone,
  type TopicNotes,
  TopicShelf,
} from './topic-shelf.ts';
