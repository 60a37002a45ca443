/** Which predictions are shown, in the address: `?iteration=&order=&tag=&from=&to=`. */
import { fractionOf } from "../../components/thresholds/address";

export type PredictionOrder = "Suggested" | "Newest" | "Oldest";

export interface PredictionFilter {
  iterationId: string | null;
  order: PredictionOrder;
  tagId: string | null;
  /** The probability of the tag, 0 to 1. */
  from: number;
  to: number;
}

const ORDERS: Record<string, PredictionOrder> = { newest: "Newest", oldest: "Oldest" };

export function filterOf(parameters: URLSearchParams): PredictionFilter {
  return {
    iterationId: parameters.get("iteration"),
    order: ORDERS[parameters.get("order") ?? ""] ?? "Suggested",
    tagId: parameters.get("tag"),
    from: fractionOf(parameters.get("from"), 0),
    to: fractionOf(parameters.get("to"), 1),
  };
}

/** The parameters of a filter; what is at its default is left out. */
export function addressOf(filter: PredictionFilter): URLSearchParams {
  const parameters = new URLSearchParams();
  if (filter.iterationId) parameters.set("iteration", filter.iterationId);
  if (filter.order !== "Suggested") parameters.set("order", filter.order.toLowerCase());
  if (filter.tagId) {
    parameters.set("tag", filter.tagId);
    if (filter.from > 0) parameters.set("from", String(filter.from));
    if (filter.to < 1) parameters.set("to", String(filter.to));
  }
  return parameters;
}

/** The body of QueryPredictions. */
export function queryOf(filter: PredictionFilter) {
  return {
    orderBy: filter.order,
    ...(filter.iterationId ? { iterationId: filter.iterationId } : {}),
    ...(filter.tagId ? { tags: [{ id: filter.tagId, minThreshold: filter.from, maxThreshold: filter.to }] } : {}),
  };
}
