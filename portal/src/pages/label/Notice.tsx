import { Alert, Button, Group } from "@mantine/core";
import type { Labeling } from "./useLabeling";

/** What happened to the open image, in words: changes made in another window, labels that could not be saved. */
export function Notice({ labeling }: { labeling: Labeling }) {
  const { document, session, store } = labeling;
  const { imageId } = session;
  if (!document?.notice || imageId === null) return null;
  return (
    <Alert color={document.state === "failed" || document.state === "gone" ? "red" : "blue"} role="alert" py="xs" radius={0} style={{ position: "absolute", zIndex: 3, insetInline: 0, top: 0 }}>
      <Group justify="space-between" gap="xs">
        {document.notice}
        <Group gap={6}>
          {document.state === "failed" && (
            <Button size="compact-xs" variant="default" onClick={() => void store.save(imageId).catch(() => undefined)}>
              Try again
            </Button>
          )}
          {document.state === "gone" && (
            <Button size="compact-xs" variant="default" onClick={labeling.goOn}>
              Next image
            </Button>
          )}
          <Button size="compact-xs" variant="default" onClick={() => store.dismiss(imageId)}>
            Close
          </Button>
        </Group>
      </Group>
    </Alert>
  );
}
