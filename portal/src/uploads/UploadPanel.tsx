import { Button, CloseButton, Group, Paper, Progress, Stack, Text } from "@mantine/core";
import { useEffect, useState } from "react";
import { useConnection } from "../api/connection";
import { count } from "../lib/format";
import { lazyPart } from "../components/lazyPart";
import { dismissUpload, problemsOf, useUploads, type Upload } from "./uploads";

const UploadReport = lazyPart(() => import("./UploadReport"), null);
const SHOWN_MS = 6000;

/** Progress and results of uploads, above every page. */
export function UploadPanel() {
  const uploads = useUploads();
  const [reported, setReported] = useState<number | null>(null);
  const shown = uploads.find((each) => each.id === reported);
  return (
    <>
      {uploads.map((upload) => (
        <UploadProgress key={upload.id} upload={upload} onReport={() => setReported(upload.id)} />
      ))}
      {shown && <UploadReport upload={shown} onClose={() => setReported(null)} />}
    </>
  );
}

function UploadProgress({ upload, onReport }: { upload: Upload; onReport: () => void }) {
  const connection = useConnection();
  const { state, total, uploaded, findings } = upload;
  const handled = uploaded + findings.length;
  const isPlain = state === "done" && findings.length === 0;

  useEffect(() => {
    if (!isPlain) return;
    const timer = setTimeout(() => dismissUpload(upload.id), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [isPlain, upload.id]);

  return (
    <Paper withBorder shadow="md" p="sm" role="region" aria-label="Upload">
      <Stack gap={6}>
        <Group justify="space-between" wrap="nowrap">
          <Text size="sm" fw={500} role="status" data-testid="upload-state">
            {titleOf(upload)}
          </Text>
          {state === "running" ? (
            <Button size="compact-xs" variant="default" onClick={upload.cancel}>
              Cancel
            </Button>
          ) : (
            <CloseButton size="sm" aria-label="Close the upload" onClick={() => dismissUpload(upload.id)} />
          )}
        </Group>
        {state === "running" && (
          <Progress
            value={total ? (100 * handled) / total : 0}
            size="sm"
            aria-label="Progress of the upload"
            color={connection === "online" ? undefined : "orange"}
          />
        )}
        {state === "running" && connection !== "online" && (
          <Text size="sm">
            {connection === "lost" ? "Waiting for the emulator. The upload goes on when it responds." : "Sign in to go on."}
          </Text>
        )}
        {upload.failure && (
          <Text size="sm" c="red">
            {upload.failure}
          </Text>
        )}
        {findings.length > 0 && (
          <Group justify="space-between" wrap="nowrap">
            <Text size="sm">{problemsOf(upload)}</Text>
            <Button size="compact-xs" variant="light" onClick={onReport}>
              Details
            </Button>
          </Group>
        )}
      </Stack>
    </Paper>
  );
}

function titleOf({ state, uploaded, total }: Upload): string {
  if (state === "running") return `Uploading, ${uploaded.toLocaleString()} of ${total.toLocaleString()}`;
  const done = `${count(uploaded, "image")} uploaded`;
  return state === "cancelled" ? `Cancelled, ${done}` : state === "failed" ? `Stopped, ${done}` : done;
}
