/** What of an adapter usually breaks a rule that holds for every history, by the name of its predicate. */
export const causes: Readonly<Record<string, string>> = {
  runaway:
    "What is given back, or asked for again with a delay, comes at once and for ever: `settle` with 'back' or 'again', or a reader that does not move on.",
  noPhantoms:
    "The driver says 'rejected' of what may be stored ('unknown' is the word), or names of topics are mixed up.",
  nothingAltered:
    'Bodies or headers are decoded and encoded again on the way, or the key is not stored with its record.',
  noHistory:
    'The queue of a new subscription begins before the call of `ensureSubscription`, e.g. at the start of a shared log.',
  causedDuplicates:
    'A record is stored or handed out twice: publish sends again by itself, `settle` does not remove, or a lease ends while its member lives.',
  readOnce:
    "'done' or `commit` is not durable when the subscription or group says that it holds nothing.",
  oneConsumerAtATime:
    'A record is not leased to the member it is handed to, or the lease is not renewed while that member lives.',
  attemptsCount:
    'The `state` of a record or the `text` of a pointer, in which attempts are counted, is lost or is an older one.',
  onePlaceEach:
    'Offsets are given out twice or change between readings, or the driver sends an append again by itself.',
  resetExact:
    'Records of before `start` arrive after it, or a `commit` under an old token overwrites what `edit` wrote.',
  noSkips:
    '`read` leaves out records, e.g. after a full batch or at the end of a segment, or an append is confirmed before those ahead of it.',
  keyOrder:
    'Overlapping calls of `publish` or `append` are stored out of order, what is given back goes behind what is newer, or a partition has two owners.',
};
