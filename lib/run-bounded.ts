/**
 * Owns doing many things that wait, a few at a time. Must never start another once one has failed.
 */

/**
 * Runs `work` for every item, at most `concurrency` at once, started in their order. The first failure is thrown once
 * what was under way has ended.
 */
export async function runBounded<Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
  concurrency: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let failure: { error: unknown } | undefined;
  const worker = async () => {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      if (failure !== undefined) return;
      try {
        await work(next.value);
      } catch (error) {
        failure ??= { error };
      }
      if (failure !== undefined) return;
    }
  };
  const workers: Promise<void>[] = [];
  for (let count = 0; count < concurrency; count++) workers.push(worker());
  await Promise.all(workers);
  if (failure !== undefined) throw failure.error;
}
