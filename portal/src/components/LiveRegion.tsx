import { VisuallyHidden } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { announcement } from "./announce";

export function LiveRegion() {
  const text = useSyncExternalStore(announcement.subscribe, announcement.get);
  return (
    <VisuallyHidden role="status" aria-live="polite">
      {text}
    </VisuallyHidden>
  );
}
