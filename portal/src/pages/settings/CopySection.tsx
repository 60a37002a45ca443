import { Alert, Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { IconDownload, IconPackageExport } from "@tabler/icons-react";
import { useState } from "react";
import { Link } from "wouter";
import { body, localUri, training, type Schemas } from "../../api/client";
import { inWords } from "../../api/errors";
import { CopyText } from "../../components/CopyText";
import { Section } from "../../components/Section";
import { count } from "../../lib/format";
import { archiveUri } from "./archiveUri";
import { PermittedButton } from "../../components/PermittedButton";

/** A token for a copy in this or another emulator, and the archive behind it. */
export function CopySection({ projectId }: { projectId: string }) {
  const [exported, setExported] = useState<Schemas["ProjectExport"] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);

  async function exportProject() {
    setBusy(true);
    setProblem(null);
    try {
      setExported(await body(training.GET("/projects/{projectId}/export", { params: { path: { projectId } } })));
    } catch (error) {
      setProblem(inWords(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <Section title="Copy">
      <Text size="sm" c="dimmed">
        A copy has the images, tags, regions and trained iterations. It is made by 'Import' on the page of all projects, here
        or in another emulator that can reach this one. For other tools,{" "}
        <Anchor component={Link} href={`/projects/${projectId}/images?dialog=export`} underline="always">
          export it as a data set
        </Anchor>
        .
      </Text>
      {exported === null ? (
        <Group>
          <PermittedButton operation="ExportProject" variant="default" leftSection={<IconPackageExport size={18} />} loading={busy} onClick={() => void exportProject()}>
            Export this project
          </PermittedButton>
        </Group>
      ) : (
        <Stack gap="sm">
          <Text size="sm">
            {count(exported.imageCount, "image")}, {count(exported.regionCount, "region")} and{" "}
            {count(exported.iterationCount, "iteration")}. The token is valid for a day.
          </Text>
          <CopyText block value={exported.token} label="token" />
          <Group>
            <Button
              component="a"
              variant="default"
              href={localUri(archiveUri(exported.token))}
              download={`${projectId}.tar`}
              leftSection={<IconDownload size={18} />}
            >
              Download the archive
            </Button>
          </Group>
        </Stack>
      )}
      {problem !== null && (
        <Alert color="red" role="alert">
          {problem}
        </Alert>
      )}
    </Section>
  );
}
