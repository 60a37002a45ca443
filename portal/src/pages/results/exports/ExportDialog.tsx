import { Alert, Anchor, Modal, NavLink, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { body, emulator } from "../../../api/client";
import { cacheKeys } from "../../../api/keys";
import type { Iteration } from "../../../api/queries/iterations";
import type { Domain } from "../../../api/queries/projects";
import { Loaded } from "../../../components/states";
import { platformsOf } from "./formats";
import { FlavorRow } from "./FlavorRow";
import styles from "./exports.module.css";

interface Props {
  opened: boolean;
  onClose: () => void;
  projectId: string;
  iteration: Iteration;
  domain: Domain | undefined;
}

const POLL_MS = 700;

/** The exports of an iteration, which go on while the dialog is closed. */
function useExports(projectId: string, iterationId: string) {
  return useQuery({
    queryKey: cacheKeys.iteration(projectId, iterationId, "exports"),
    queryFn: ({ signal }) =>
      body(
        emulator.GET("/_emulator/projects/{projectId}/iterations/{iterationId}/exports", {
          params: { path: { projectId, iterationId } },
          signal,
        }),
      ),
    refetchInterval: (query) => (query.state.data?.some((each) => each.status === "Exporting") ? POLL_MS : false),
  });
}

export function ExportDialog({ opened, onClose, ...rest }: Props) {
  return (
    <Modal opened={opened} onClose={onClose} title="Export the iteration" size="xl">
      {rest.iteration.exportable ? <Platforms {...rest} /> : <NotExportable {...rest} />}
    </Modal>
  );
}

function NotExportable({ projectId, domain }: Omit<Props, "opened" | "onClose">) {
  return (
    <Stack>
      <Text>
        This iteration cannot be exported, since it was trained in the domain '{domain?.name ?? "unknown"}'. Models of compact
        domains can be: they are small enough for phones, browsers and containers.
      </Text>
      <Text>
        Choose a compact domain in the{" "}
        <Anchor component={Link} href={`/projects/${projectId}/settings`} underline="always">
          settings of the project
        </Anchor>
        , then{" "}
        <Anchor component={Link} href={`/projects/${projectId}/train`} underline="always">
          train again
        </Anchor>
        . Images and tags stay as they are.
      </Text>
    </Stack>
  );
}

function Platforms({ projectId, iteration, domain }: Omit<Props, "opened" | "onClose">) {
  const exports = useExports(projectId, iteration.id);
  const platforms = platformsOf(domain);
  const [chosen, setChosen] = useState<string | null>(null);
  const platform = platforms.find((each) => each.platform === chosen) ?? platforms[0];
  if (!platform) return null;
  return (
    <Loaded query={exports}>
      {(all) => (
        <div className={styles.dialog}>
          <nav aria-label="Platforms">
            {platforms.map((each) => (
              <NavLink
                key={each.platform}
                component="button"
                label={each.label}
                active={each === platform}
                aria-current={each === platform ? "true" : undefined}
                description={summary(all.filter((item) => item.platform === each.platform))}
                onClick={() => setChosen(each.platform)}
              />
            ))}
          </nav>
          <Stack gap="sm">
            <Text size="sm">{platform.use}</Text>
            {exports.error !== null && <Alert color="orange">The list could not be refreshed.</Alert>}
            <ul className={styles.flavors}>
              {platform.flavors.map((each) => (
                <FlavorRow
                  key={each.flavor ?? ""}
                  projectId={projectId}
                  iterationId={iteration.id}
                  platform={platform}
                  flavor={each}
                  known={all.find((item) => item.platform === platform.platform && item.flavor === each.flavor)}
                />
              ))}
            </ul>
          </Stack>
        </div>
      )}
    </Loaded>
  );
}

function summary(exports: readonly { status: string }[]): string | undefined {
  if (exports.some((each) => each.status === "Exporting")) return "Exporting";
  const done = exports.filter((each) => each.status === "Done").length;
  if (done > 0) return done === 1 ? "1 file" : `${done} files`;
  return exports.some((each) => each.status === "Failed") ? "Failed" : undefined;
}
