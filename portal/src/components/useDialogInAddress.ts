import { useCallback } from "react";
import { useSearchParams } from "wouter";

/** The open dialog of a page, which the address names, so that links and the command palette can open it. */
export function useDialogInAddress(): [string | null, (name: string | null) => void] {
  const [parameters, setParameters] = useSearchParams();
  const show = useCallback(
    (name: string | null) =>
      setParameters(
        (before) => {
          const after = new URLSearchParams(before);
          if (name === null) after.delete("dialog");
          else after.set("dialog", name);
          return after;
        },
        { replace: true },
      ),
    [setParameters],
  );
  return [parameters.get("dialog"), show];
}
