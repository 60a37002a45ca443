import { Button, Progress, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { emulator, localUri, type EmulatorTypes } from "../../../api/client";
import { inWords } from "../../../api/errors";
import { cacheKeys } from "../../../api/keys";
import { announce } from "../../../components/announce";
import { bytes } from "../../../lib/format";
import type { Flavor, Platform } from "./formats";
import { PermittedButton } from "../../../components/PermittedButton";
import styles from "./exports.module.css";

type DetailedExport = EmulatorTypes["schemas"]["DetailedExport"];

interface Props {
  projectId: string;
  iterationId: string;
  platform: Platform;
  flavor: Flavor;
  /** The export that was asked for before. */
  known: DetailedExport | undefined;
}

/** One kind of file: to be exported, in progress, failed with the reason, or to be downloaded. */
export function FlavorRow({ projectId, iterationId, platform, flavor, known }: Props) {
  const client = useQueryClient();
  const [refusal, setRefusal] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const name = `${platform.label}: ${flavor.label}`;

  async function request() {
    setBusy(true);
    setRefusal(null);
    try {
      await emulator.POST("/_emulator/projects/{projectId}/iterations/{iterationId}/exports", {
        params: {
          path: { projectId, iterationId },
          query: { platform: platform.platform, ...(flavor.flavor === null ? {} : { flavor: flavor.flavor }) },
        },
      });
      announce(`Export of ${name} started`);
    } catch (error) {
      setRefusal(inWords(error));
    }
    await client.invalidateQueries({ queryKey: cacheKeys.iteration(projectId, iterationId, "exports") });
    setBusy(false);
  }

  const canRequest = known === undefined || known.status === "Failed" || known.newerVersionAvailable;
  const failure = refusal ?? (known?.status === "Failed" ? (known.failure ?? "The reason is in the log of the emulator.") : null);
  return (
    <li className={styles.row}>
      <div className={styles.text}>
        <Text size="sm" fw={500}>
          {flavor.label}
        </Text>
        <State known={known} name={name} />
        {failure !== null && (
          <Text size="xs" c="var(--mantine-color-error)" role="alert" style={{ overflowWrap: "anywhere" }}>
            Not exported: {failure}
          </Text>
        )}
      </div>
      {canRequest && (
        <PermittedButton operation="ExportIteration" size="xs" variant="default" loading={busy} onClick={() => void request()} aria-label={`${action(known)} ${name}`}>
          {action(known)}
        </PermittedButton>
      )}
      {known?.status === "Done" && known.downloadUri !== null && (
        <Button
          size="xs"
          component="a"
          href={localUri(known.downloadUri)}
          download={known.fileName ?? true}
          leftSection={<IconDownload size={16} />}
          aria-label={`Download ${name}`}
        >
          Download
        </Button>
      )}
    </li>
  );
}

function action(known: DetailedExport | undefined): string {
  if (known === undefined) return "Export";
  return known.status === "Failed" ? "Try again" : "Export again";
}

function State({ known, name }: { known: DetailedExport | undefined; name: string }) {
  if (known?.status === "Exporting")
    return (
      <>
        <Text size="xs" c="dimmed">
          {known.step ?? "Waiting"}
        </Text>
        <Progress mt={4} value={(known.progress ?? 0) * 100} animated size="sm" aria-label={`Progress of ${name}`} />
      </>
    );
  if (known?.status !== "Done") return null;
  return (
    <Text size="xs" c="dimmed">
      {known.size === null ? "" : bytes(known.size)}
      {known.newerVersionAvailable && " · A newer version of the emulator would write this file differently."}
    </Text>
  );
}
