import { Alert, Button, Group, Stack } from "@mantine/core";
import { useEffect, useRef } from "react";
import { Link } from "wouter";
import { withoutCode } from "../api/errors";
import { count, named } from "../lib/format";
import type { DataSetImport, Report } from "./requests";

interface Props {
  state: DataSetImport;
  onAgain: () => void;
  onClose: () => void;
}

/** How an import ended, with the ways on. */
export function ImportResult({ state, onAgain, onClose }: Props) {
  const { report } = state;
  const again = useRef<HTMLButtonElement>(null);
  const images = useRef<HTMLAnchorElement>(null);
  // What had the focus is gone.
  useEffect(() => (images.current ?? again.current)?.focus(), []);
  if (state.status !== "Completed" || report === null)
    return (
      <Stack>
        <Alert color="red" role="alert" title="Nothing was imported" style={{ overflowWrap: "anywhere" }}>
          {withoutCode(state.failure ?? "")}
        </Alert>
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Close
          </Button>
          <Button ref={again} onClick={onAgain}>Check again</Button>
        </Group>
      </Stack>
    );
  const project = `/projects/${state.projectId}`;
  return (
    <Stack>
      <Alert color="green" role="status" title="The data set is imported" style={{ overflowWrap: "anywhere" }}>
        {added(report)} {report.newImageCount === 1 ? "was" : "were"} added to {named(state.projectName)}.
        {report.knownImageCount > 0 && ` ${count(report.knownImageCount, "image")} ${report.knownImageCount === 1 ? "was" : "were"} there already.`}
      </Alert>
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Close
        </Button>
        {report.untaggedImageCount > 0 && (
          <Button variant="default" component={Link} href={`${project}/label`} onClick={onClose}>
            Label images
          </Button>
        )}
        <Button ref={images} component={Link} href={`${project}/images`} onClick={onClose}>
          Show the images
        </Button>
      </Group>
    </Stack>
  );
}

function added(report: Report): string {
  const parts = [
    count(report.newImageCount, "image"),
    ...(report.newTagCount > 0 ? [count(report.newTagCount, "tag")] : []),
    ...(report.detection ? [count(report.newBoxCount, "box", "boxes")] : []),
  ];
  const last = parts.pop() ?? "";
  return parts.length ? `${parts.join(", ")} and ${last}` : last;
}
