/** Batches of an upload: files with the same tags, within the limits of a request. */

export interface Item {
  /** Place in the upload. */
  index: number;
  /** Bytes as they are sent. */
  size: number;
  tagIds: readonly string[];
}

/** The limits of a request: 64 images, and a body that is quickly sent, so that progress is smooth. */
const BATCH = { images: 64, bytes: 16 * 1024 * 1024 } as const;

export function planBatches<Each extends Item>(items: readonly Each[], limits: { images: number; bytes: number } = BATCH): Each[][] {
  const groups = new Map<string, Each[]>();
  for (const item of items) {
    const key = item.tagIds.toSorted().join();
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  const batches: Each[][] = [];
  for (const group of groups.values()) {
    let batch: Each[] = [];
    let bytes = 0;
    for (const item of group) {
      if (batch.length > 0 && (batch.length >= limits.images || bytes + item.size > limits.bytes)) {
        batches.push(batch);
        [batch, bytes] = [[], 0];
      }
      batch.push(item);
      bytes += item.size;
    }
    if (batch.length > 0) batches.push(batch);
  }
  return batches;
}
