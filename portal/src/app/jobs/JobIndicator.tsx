import { Button, Popover, ScrollArea, Stack, Text, Title } from "@mantine/core";
import { IconActivity } from "@tabler/icons-react";
import { useState } from "react";
import { isUnfinished, useJobs, type Job } from "../../api/queries/jobs";
import { percentDone } from "../../components/jobs/jobWords";
import { useStopJob } from "../../components/jobs/useStopJob";
import { count } from "../../lib/format";
import { EndedRow, UnfinishedRow } from "./JobRow";
import { useJobNotices } from "./useJobNotices";

const MOST_ENDED = 8;

/** Trainings, exports and imports of all projects: their number in the header, the list on demand. */
export function JobIndicator() {
  const jobs = useJobs().data?.jobs;
  const [opened, setOpened] = useState(false);
  const { stop, dialog } = useStopJob();
  useJobNotices(jobs);
  const unfinished = (jobs ?? []).filter(isUnfinished);
  const ended = (jobs ?? []).filter((job) => !isUnfinished(job)).slice(0, MOST_ENDED);
  const close = () => setOpened(false);
  return (
    <>
      <Popover opened={opened} onChange={setOpened} position="bottom-end" width={400} shadow="md" trapFocus returnFocus>
        <Popover.Target>
          <Button
            variant="subtle"
            color="gray"
            c="var(--mantine-color-text)"
            size="compact-md"
            px={6}
            onClick={() => setOpened((before) => !before)}
            aria-label={unfinished.length > 0 ? `${count(unfinished.length, "job")} in progress` : "Jobs"}
            leftSection={<IconActivity size={20} />}
            styles={{ section: { marginInlineEnd: unfinished.length > 0 ? 6 : 0 } }}
          >
            {shortState(unfinished)}
          </Button>
        </Popover.Target>
        <Popover.Dropdown p={0} aria-label="Jobs">
          <ScrollArea.Autosize mah="70vh" tabIndex={0} viewportProps={{ "aria-label": "Jobs" }}>
            <Stack p="md" gap="md">
              <Title order={2} size="h6">
                In progress
              </Title>
              {unfinished.length === 0 && (
                <Text size="sm" c="dimmed">
                  Nothing is trained, exported or imported now.
                </Text>
              )}
              {unfinished.map((job) => (
                <UnfinishedRow key={job.id} job={job} onStop={() => void stop(job)} onLeave={close} />
              ))}
              {ended.length > 0 && (
                <Title order={2} size="h6">
                  Ended
                </Title>
              )}
              {ended.map((job) => (
                <EndedRow key={job.id} job={job} onLeave={close} />
              ))}
            </Stack>
          </ScrollArea.Autosize>
        </Popover.Dropdown>
      </Popover>
      {dialog}
    </>
  );
}

/** What is beside the icon: the percent of a single job, or the number of several. */
function shortState(unfinished: readonly Job[]): string {
  const [job] = unfinished;
  if (!job) return "";
  if (unfinished.length > 1) return `${unfinished.length} jobs`;
  const percent = percentDone(job);
  return percent === null ? job.status : `${percent}%`;
}
