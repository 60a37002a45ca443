import { Badge, Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useState } from "react";
import { useProjectKind } from "../api/queries/projects";
import { useObjectUrl } from "../components/useObjectUrl";
import { count } from "../lib/format";
import type { Finding } from "./uploader";
import { problemsOf, retryUpload, type Upload } from "./uploads";
import classes from "./uploads.module.css";

const ROW = 64;

/** Every file that was not simply uploaded, with its thumbnail and the reason. */
export default function UploadReport({ upload, onClose }: { upload: Upload; onClose: () => void }) {
  const { isMulticlass } = useProjectKind(upload.projectId);
  const { findings } = upload;
  const again = findings.filter((finding) => finding.canRetry).length;
  const [scroller, setScroller] = useState<HTMLDivElement | null>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing here is memoized by a compiler
  const virtualizer = useVirtualizer({
    count: findings.length,
    getScrollElement: () => scroller,
    estimateSize: () => ROW,
    overscan: 3,
  });
  return (
    <Modal opened onClose={onClose} title="Upload" size="lg">
      <Stack>
        <Text>
          {count(upload.uploaded, "image")} uploaded, {problemsOf(upload)}.
        </Text>
        {/* It scrolls, so that it takes the focus. */}
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
        <div ref={setScroller} className={classes.findings} role="group" aria-label="Files with a message" tabIndex={0}>
          <ul style={{ height: virtualizer.getTotalSize() }} className={classes.canvas}>
            {virtualizer.getVirtualItems().map((item) => {
              const finding = findings[item.index];
              return finding ? (
                <li key={item.key} className={classes.finding} style={{ transform: `translateY(${item.start}px)` }}>
                  <FindingRow finding={finding} />
                </li>
              ) : null;
            })}
          </ul>
        </div>
        <Group justify="flex-end">
          {again > 0 && upload.state !== "running" && (
            <Button
              onClick={() => {
                onClose();
                void retryUpload(upload, isMulticlass);
              }}
            >
              Try {count(again, "file")} again
            </Button>
          )}
          <Button variant="default" onClick={onClose}>
            Close
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function FindingRow({ finding }: { finding: Finding }) {
  const [broken, setBroken] = useState(false);
  const uri = useObjectUrl(finding.file.file);
  return (
    <Group wrap="nowrap" gap="sm" h={ROW}>
      {uri !== null && !broken ? (
        <img className={classes.thumbnail} src={uri} alt="" onError={() => setBroken(true)} />
      ) : (
        <div className={classes.thumbnail} />
      )}
      <div className={classes.text}>
        <Group gap="xs" wrap="nowrap">
          <Text size="sm" fw={500} truncate title={finding.file.name}>
            <bdi>{finding.file.name}</bdi>
          </Text>
          <Badge size="xs" color={finding.outcome === "duplicate" ? "gray" : "red"} variant="light" miw="fit-content">
            {finding.outcome}
          </Badge>
        </Group>
        <Text size="sm" lineClamp={2}>
          {finding.reason}
        </Text>
      </div>
    </Group>
  );
}
