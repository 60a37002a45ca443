import { useCallback, useEffect, useState } from "react";
import { allTargets } from "../../api/bulk/apply";
import { addressOfFilter, filterOfAddress, type ImageFilter } from "../../lib/imageFilter";
import { NOTHING, pinned, type Selection } from "./grid/selection";

/** The selected images of a list: a selection belongs to the list in which it was made. */
export function useSelection(projectId: string, filter: ImageFilter): [Selection, (next: Selection) => void] {
  const list = addressOfFilter({ ...filter, order: "Newest" }).toString();
  const [chosen, setChosen] = useState<{ list: string; selection: Selection }>({ list, selection: NOTHING });
  const selection = chosen.list === list ? chosen.selection : NOTHING;
  const select = useCallback((next: Selection) => setChosen({ list, selection: next }), [list]);

  // The images of "all" are listed, so that those that match later are not among them.
  const isAll = selection.kind === "all";
  useEffect(() => {
    if (!isAll) return;
    const stop = new AbortController();
    const quiet = { signal: stop.signal, progress: () => undefined };
    void allTargets(projectId, filterOfAddress(new URLSearchParams(list)), quiet).then(
      (found) => {
        const ids = found.map((target) => target.id);
        setChosen((before) => (before.list === list ? { list, selection: pinned(before.selection, ids) } : before));
      },
      () => undefined, // an action lists them again
    );
    return () => stop.abort();
  }, [projectId, list, isAll]);
  return [selection, select];
}
