/** What pages with figures show, kept in the address: thresholds, and further parameters of a page. */
import { useCallback } from "react";
import { useSearchParams } from "wouter";

export const DEFAULT_THRESHOLD = 0.5;
export const DEFAULT_OVERLAP = 0.3;

/** A fraction of the address; the default where it is absent, not a number or outside 0 to 1. */
export function fractionOf(text: string | null, otherwise: number): number {
  const value = text === null || text.trim() === "" ? NaN : Number(text);
  return value >= 0 && value <= 1 ? value : otherwise;
}

interface Thresholds {
  /** The probability, 0 to 1, from which a prediction counts. */
  threshold: number;
  /** The overlap, 0 to 1, from which a box counts as found. */
  overlapThreshold: number;
}

/** The thresholds of the address: all tabs have the same. */
export function useThresholds(): Thresholds {
  const [parameters] = useSearchParams();
  return {
    threshold: fractionOf(parameters.get("threshold"), DEFAULT_THRESHOLD),
    overlapThreshold: fractionOf(parameters.get("overlap"), DEFAULT_OVERLAP),
  };
}

/**
 * A function that changes parameters of the address; null removes one. It replaces the entry of the history:
 * the back button leads to the previous page, not through positions of a slider.
 */
export function useSetParameters() {
  const [, setParameters] = useSearchParams();
  return useCallback(
    (changes: Readonly<Record<string, string | null>>) =>
      setParameters(
        (current) => {
          const next = new URLSearchParams(current);
          for (const [name, value] of Object.entries(changes)) {
            if (value === null) next.delete(name);
            else next.set(name, value);
          }
          return next;
        },
        { replace: true },
      ),
    [setParameters],
  );
}
