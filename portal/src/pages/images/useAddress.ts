import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";
import { addressOfFilter, filterOfAddress, type ImageFilter } from "../../lib/imageFilter";
import { SIZES, type Size } from "./grid/layout";

/** What the page shows, as the address has it: filter, size of the tiles, open image. */
export function useAddress() {
  const [parameters, setParameters] = useSearchParams();
  const text = addressOfFilter(filterOfAddress(parameters)).toString();
  // The same object while the filter is the same, whatever else changes in the address.
  const filter = useMemo(() => filterOfAddress(new URLSearchParams(text)), [text]);
  const chosen = parameters.get("size");
  const size: Size = chosen !== null && chosen in SIZES ? (chosen as Size) : "M";
  const imageId = parameters.get("image");
  const at = Number(parameters.get("at") ?? -1);

  const setFilter = useCallback(
    (change: Partial<ImageFilter>) =>
      setParameters((before) => addressOfFilter({ ...filterOfAddress(before), ...change }, closed(before))),
    [setParameters],
  );
  const setSize = useCallback(
    (next: Size) =>
      setParameters(
        (before) => {
          before.set("size", next);
          return before;
        },
        { replace: true },
      ),
    [setParameters],
  );
  /** Open an image; `index` is its place in the list. Going on to another image adds no entry to the history. */
  const open = useCallback(
    (id: string | null, index = -1) =>
      setParameters(
        (before) => {
          const after = closed(before);
          if (id !== null) after.set("image", id);
          if (id !== null && index >= 0) after.set("at", String(index));
          return after;
        },
        { replace: imageId !== null },
      ),
    [setParameters, imageId],
  );
  return { filter, setFilter, size, setSize, imageId, at: Number.isInteger(at) ? at : -1, open };
}

function closed(parameters: URLSearchParams): URLSearchParams {
  const rest = new URLSearchParams(parameters);
  rest.delete("image");
  rest.delete("at");
  return rest;
}
