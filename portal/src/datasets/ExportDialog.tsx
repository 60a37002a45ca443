import { Alert, Button, Group, Modal, Select, Stack, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { body, emulator, type EmulatorTypes } from "../api/client";
import { cacheKeys } from "../api/keys";
import { PREFIX } from "../api/prefix";
import { useProjectKind } from "../api/queries/projects";
import { Fact, FactList } from "../components/FactList";
import { Loaded } from "../components/states";
import { count } from "../lib/format";
import { formatOf, formatOptions, type Format } from "./formats";
import { ProblemList } from "./ProblemList";

type Summary = EmulatorTypes["schemas"]["DataSetExport"];

interface Props {
  projectId: string;
  opened: boolean;
  onClose: () => void;
}

/** A project as a data set in the format of another tool, after what the format does not represent was shown. */
export function ExportDialog({ opened, ...rest }: Props) {
  return (
    <Modal opened={opened} onClose={rest.onClose} title="Export as a data set" size="lg">
      <Form {...rest} />
    </Modal>
  );
}

function Form({ projectId, onClose }: Omit<Props, "opened">) {
  const { isDetection } = useProjectKind(projectId);
  const [chosen, setChosen] = useState<Format | null>(null);
  const format = chosen ?? (isDetection ? "coco" : "folders");
  const summary = useQuery({
    queryKey: cacheKeys.images(projectId, "dataSet", format),
    queryFn: async ({ signal }) =>
      (await body(
        emulator.GET("/_emulator/projects/{projectId}/dataSet", {
          params: { path: { projectId }, query: { format, dryRun: true } },
          signal,
        }),
      )) as Summary,
    gcTime: 0,
  });
  const isReady = summary.data !== undefined && summary.data.imageCount > 0;
  return (
    <Stack>
      <Select
        label="Format"
        description="All images of the workspace with their labels, as a zip archive."
        data={formatOptions(isDetection)}
        value={format}
        onChange={(value) => setChosen(formatOf(value) ?? null)}
        allowDeselect={false}
        data-autofocus
      />
      <Loaded query={summary}>{(found) => <Content summary={found} />}</Loaded>
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Close
        </Button>
        {isReady ? (
          <Button
            component="a"
            href={`${PREFIX}/_emulator/projects/${projectId}/dataSet?format=${format}`}
            download
            leftSection={<IconDownload size={18} />}
          >
            Download {count(summary.data.imageCount, "image")}
          </Button>
        ) : (
          <Button disabled leftSection={<IconDownload size={18} />}>
            Download
          </Button>
        )}
      </Group>
    </Stack>
  );
}

function Content({ summary }: { summary: Summary }) {
  if (summary.imageCount === 0) return <Text size="sm">The project has no images.</Text>;
  return (
    <Stack gap="sm">
      <FactList>
        <Fact name="Images">{summary.imageCount.toLocaleString()}</Fact>
        <Fact name="Tags">{summary.tagCount.toLocaleString()}</Fact>
        {summary.boxCount > 0 && <Fact name="Boxes">{summary.boxCount.toLocaleString()}</Fact>}
      </FactList>
      {summary.losses.length === 0 ? (
        <Text size="sm">The format represents all images and labels.</Text>
      ) : (
        <Alert color="orange" title="The format does not represent all">
          <ProblemList label="What the format does not represent" problems={summary.losses} />
        </Alert>
      )}
      <Text size="sm" c="dimmed">
        The archive also has a file customvision.json, with ids, descriptions and settings. An import into an emulator reads
        it, so that labels that the format does not represent are not lost there.
      </Text>
    </Stack>
  );
}
