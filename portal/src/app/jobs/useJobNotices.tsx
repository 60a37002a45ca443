import { Anchor, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useLocation } from "wouter";
import { withoutCode } from "../../api/errors";
import { cacheKeys } from "../../api/keys";
import { isUnfinished, type Job } from "../../api/queries/jobs";
import { announce } from "../../components/announce";
import { colorOf, endTitle, pageOf } from "../../components/jobs/jobWords";
import { BUTTON_SHOWN_MS } from "../../components/noticeTimes";

const LINKS: Record<Job["kind"], string> = {
  training: "See the results",
  export: "Download it",
  import: "See the images",
  check: "See the projects",
  evaluation: "See the figures",
};

/** A message when a job ends that was seen unfinished, and new data for the pages that show its result. */
export function useJobNotices(jobs: readonly Job[] | undefined): void {
  const unfinished = useRef<ReadonlySet<string>>(new Set());
  const client = useQueryClient();
  const [, navigate] = useLocation();

  useEffect(() => {
    if (!jobs) return;
    const ended = jobs.filter((job) => job.ended !== null && unfinished.current.has(job.id));
    const begun = jobs.filter((job) => isUnfinished(job) && !unfinished.current.has(job.id));
    unfinished.current = new Set(jobs.filter(isUnfinished).map((job) => job.id));
    for (const job of [...ended, ...begun]) {
      if (job.kind === "check") continue;
      void client.invalidateQueries({ queryKey: cacheKeys.iterations(job.projectId) });
      if (job.kind === "import") void client.invalidateQueries({ queryKey: cacheKeys.projects });
    }
    for (const job of ended) {
      // Of a data set, the images and tags have arrived.
      if (job.kind === "import") void client.invalidateQueries({ queryKey: cacheKeys.project(job.projectId) });
      // The dialog that asked for it shows what was found.
      if (job.kind === "check") continue;
      const title = endTitle(job);
      const id = `job-${job.id}`;
      announce(title);
      notifications.show({
        id,
        color: colorOf(job),
        title,
        withBorder: true,
        autoClose: job.status === "Failed" ? false : BUTTON_SHOWN_MS,
        message: (
          <>
            <Text size="sm" c="var(--mantine-color-text)" className="project-name">
              {job.projectName}
            </Text>
            {job.status === "Failed" && (
              <Text size="sm" c="var(--mantine-color-text)" lineClamp={4}>
                {withoutCode(job.failure ?? "")}
              </Text>
            )}
            {job.status === "Completed" && (
              <Anchor
                component="button"
                type="button"
                size="sm"
                underline="always"
                onClick={() => {
                  notifications.hide(id);
                  navigate(pageOf(job));
                }}
              >
                {LINKS[job.kind]}
              </Anchor>
            )}
          </>
        ),
      });
    }
  }, [jobs, client, navigate]);
}
