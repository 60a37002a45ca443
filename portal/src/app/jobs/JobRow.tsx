import { Anchor, Badge, Button, Group, Text } from "@mantine/core";
import { Link } from "wouter";
import { withoutCode } from "../../api/errors";
import type { Job } from "../../api/queries/jobs";
import { JobProgress } from "../../components/jobs/JobProgress";
import { colorOf, jobTitle, pageOf } from "../../components/jobs/jobWords";
import { Moment } from "../../components/Moment";

interface Props {
  job: Job;
  /** A link was followed. */
  onLeave: () => void;
}

function Heading({ job, onLeave }: Props) {
  return (
    <div style={{ minWidth: 0 }}>
      <Anchor component={Link} href={pageOf(job)} size="sm" fw={600} onClick={onLeave} truncate display="block" title={jobTitle(job)}>
        {jobTitle(job)}
      </Anchor>
      <Text size="sm" c="dimmed" className="project-name" title={job.projectName}>
        {job.projectName}
      </Text>
    </div>
  );
}

export function UnfinishedRow({ job, onStop, onLeave }: Props & { onStop: () => void }) {
  return (
    <div>
      <Group justify="space-between" wrap="nowrap" mb={6} align="flex-start">
        <Heading job={job} onLeave={onLeave} />
        <Button size="compact-sm" variant="default" onClick={onStop} aria-label={`Stop: ${jobTitle(job)}`}>
          Stop
        </Button>
      </Group>
      <JobProgress job={job} />
    </div>
  );
}

export function EndedRow({ job, onLeave }: Props) {
  return (
    <div>
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <Heading job={job} onLeave={onLeave} />
        <Badge
          variant="light"
          color={colorOf(job)}
          flex="none"
        >
          {job.status === "Cancelled" ? "Stopped" : job.status}
        </Badge>
      </Group>
      {job.ended !== null && (
        <Text size="sm" c="dimmed">
          <Moment value={job.ended} />
        </Text>
      )}
      {job.status === "Failed" && job.failure !== null && (
        <Text size="sm" lineClamp={3} title={withoutCode(job.failure)}>
          {withoutCode(job.failure)}
        </Text>
      )}
    </div>
  );
}
