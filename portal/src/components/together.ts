interface Started {
  data: unknown;
  /** Begins anew with each request. */
  failureCount: number;
  errorUpdateCount: number;
}

/**
 * The query, as loading until the others have data or failed once: for what would move the page if it came later.
 * Data that was there stays there.
 */
export function together<Query extends { data: unknown }>(query: Query, ...others: readonly Started[]): Query {
  return others.every((each) => each.data !== undefined || each.failureCount > 0 || each.errorUpdateCount > 0) ? query : { ...query, data: undefined };
}
