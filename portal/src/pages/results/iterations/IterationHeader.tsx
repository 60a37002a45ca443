import { ActionIcon, Button, Group, Menu, Stack, Text, Title } from "@mantine/core";
import { IconArrowsDiff, IconDots, IconDownload, IconLink, IconPencil, IconStairsUp, IconTrash, IconUpload, IconX } from "@tabler/icons-react";
import { useEffect } from "react";
import { useLocation } from "wouter";
import type { Iteration } from "../../../api/queries/iterations";
import { useInstantIterations } from "../../../api/queries/instant";
import type { Domain } from "../../../api/queries/projects";
import { useRollouts } from "../../../api/queries/rollouts";
import { useConfirm } from "../../../components/confirm";
import { CopyText } from "../../../components/CopyText";
import { InstantBadge } from "../../../components/iterations/InstantMark";
import { kindOf } from "../../../components/project/kinds";
import { useDialogInAddress } from "../../../components/useDialogInAddress";
import { useKeys } from "../../../keyboard/useKeys";
import { dateTime } from "../../../lib/format";
import { ExportDialog } from "../exports/ExportDialog";
import { PredictionUrlDialog } from "../dialogs/PredictionUrlDialog";
import { PublishDialog } from "../dialogs/PublishDialog";
import { RenameDialog } from "../dialogs/RenameDialog";
import { namesToTry } from "../rollouts/names";
import { RolloutDialog } from "../rollouts/RolloutDialog";
import { RolloutPanel } from "../rollouts/RolloutPanel";
import { IterationBadge } from "./IterationList";
import { useDeleteIteration } from "./useDeleteIteration";
import { useIterationChanges } from "./useIterationChanges";
import { PermittedButton } from "../../../components/PermittedButton";
import styles from "./iterations.module.css";

interface Props {
  projectId: string;
  iteration: Iteration;
  iterations: readonly Iteration[];
  domain: Domain | undefined;
  isDetection: boolean;
}

/** Name and facts of an iteration, and what can be done with it. */
export function IterationHeader({ projectId, iteration, iterations, domain, isDetection }: Props) {
  const [dialog, setDialog] = useDialogInAddress();
  const { unpublish } = useIterationChanges(projectId);
  const { remove, dialog: questionOfDelete } = useDeleteIteration(projectId);
  const [, navigate] = useLocation();
  const { ask, dialog: question } = useConfirm();
  const close = () => setDialog(null);
  const isInstant = useInstantIterations(projectId)?.has(iteration.id) ?? false;
  const isTrained = iteration.status === "Completed";
  const others = iterations.some((each) => each.id !== iteration.id && each.status === "Completed");
  const compare = () => navigate(`/projects/${projectId}/compare?iteration=${iteration.id}`);
  useKeys({ compare }, isTrained && others);
  const askToUnpublish = async () => {
    const agreed = await ask({
      title: "Unpublish the iteration?",
      message: (
        <>
          Programs that send images to '<bdi>{iteration.publishName}</bdi>' get an error from now on.
        </>
      ),
      action: "Unpublish",
    });
    if (agreed) await unpublish(iteration);
  };
  const canPublish = isTrained && iteration.publishName === null;
  const rollouts = useRollouts(projectId).data ?? [];
  const toTry = canPublish ? namesToTry(rollouts, iteration.id) : [];
  useEffect(() => {
    if (dialog === "publish" && !canPublish) setDialog(null);
  }, [dialog, canPublish, setDialog]);

  return (
    <header>
      <Group justify="space-between" align="flex-start" gap="sm">
        <Group gap="sm" wrap="nowrap" miw={0} className={styles.title}>
          <Title order={1} size="h3" className={styles.name} title={iteration.name}>
            {iteration.name}
          </Title>
          <IterationBadge iteration={iteration} />
          {isInstant && <InstantBadge />}
        </Group>
        <Group gap="xs">
          {isTrained && (
            <>
              {iteration.publishName === null ? (
                <PermittedButton operation="PublishIteration" leftSection={<IconUpload size={18} />} onClick={() => setDialog("publish")}>
                  Publish
                </PermittedButton>
              ) : (
                <>
                  <Button leftSection={<IconLink size={18} />} onClick={() => setDialog("url")}>
                    Prediction URL
                  </Button>
                  <PermittedButton operation="UnpublishIteration" variant="default" leftSection={<IconX size={18} />} onClick={() => void askToUnpublish()}>
                    Unpublish
                  </PermittedButton>
                </>
              )}
              {toTry.length > 0 && (
                <PermittedButton operation="PublishIteration" variant="default" leftSection={<IconStairsUp size={18} />} onClick={() => setDialog("rollout")}>
                  Roll out
                </PermittedButton>
              )}
              <Button variant="default" leftSection={<IconDownload size={18} />} onClick={() => setDialog("export")}>
                Export
              </Button>
            </>
          )}
          {isTrained && others && (
            <Button variant="default" leftSection={<IconArrowsDiff size={18} />} onClick={compare}>
              Compare
            </Button>
          )}
          <Menu position="bottom-end">
            <Menu.Target>
              <ActionIcon variant="default" size={36} aria-label="More about this iteration">
                <IconDots size={18} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item leftSection={<IconPencil size={16} />} onClick={() => setDialog("rename")}>
                Rename
              </Menu.Item>
              <Menu.Divider />
              <Menu.Item
                color="red"
                leftSection={<IconTrash size={16} />}
                onClick={() =>
                  void remove(iteration).then((deleted) => {
                    if (deleted) navigate(`/projects/${projectId}/results`);
                  })
                }
              >
                Delete
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </Group>
      </Group>
      <Facts iteration={iteration} domain={domain} />
      <RolloutPanel projectId={projectId} iteration={iteration} names={rollouts} isDetection={isDetection} />

      <PublishDialog opened={dialog === "publish" && canPublish} onClose={close} projectId={projectId} iteration={iteration} iterations={iterations} />
      <RolloutDialog opened={dialog === "rollout" && toTry.length > 0} onClose={close} projectId={projectId} iteration={iteration} names={toTry} />
      {iteration.publishName !== null && (
        <PredictionUrlDialog
          opened={dialog === "url"}
          onClose={close}
          projectId={projectId}
          publishName={iteration.publishName}
          isDetection={isDetection}
        />
      )}
      <ExportDialog opened={dialog === "export" && isTrained} onClose={close} projectId={projectId} iteration={iteration} domain={domain} />
      <RenameDialog opened={dialog === "rename"} onClose={close} projectId={projectId} iteration={iteration} />
      {question}
      {questionOfDelete}
    </header>
  );
}

function Facts({ iteration, domain }: { iteration: Iteration; domain: Domain | undefined }) {
  const parts = [
    iteration.trainedAt ? `Trained on ${dateTime(iteration.trainedAt)}` : null,
    domain ? [...new Set([domain.name, kindOf(domain, iteration.classificationType ?? "")])].join(", ") : null,
    iteration.trainingType === "Advanced"
      ? `advanced training, ${iteration.trainingTimeInMinutes} of ${iteration.reservedBudgetInHours * 60} min`
      : null,
    iteration.customBaseModelInfo ? "started from another iteration" : null,
    iteration.publishName !== null ? `published as '${iteration.publishName}'` : null,
  ];
  return (
    <Stack gap={0} mt={4}>
      <Text size="sm" c="dimmed" className={styles.facts}>
        {parts.filter((part) => part !== null).join(" · ")}
      </Text>
      <Group gap={4} className={styles.id}>
        <Text size="xs" c="dimmed">
          Iteration id
        </Text>
        <CopyText value={iteration.id} label="iteration id" />
      </Group>
    </Stack>
  );
}
