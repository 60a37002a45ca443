import { Alert, Button, Checkbox, Collapse, Group, MultiSelect, NumberInput, Radio, Select, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import { useInformation } from "../../api/queries/information";
import type { Iteration } from "../../api/queries/iterations";
import { useProjectKind } from "../../api/queries/projects";
import type { Tag } from "../../api/queries/tags";
import { useTrainer } from "../../api/queries/trainer";
import { optionsOf } from "../../components/options";
import { budgetInWords, FEWEST_HOURS, MOST_HOURS } from "./budget";
import { isNotNeeded, refusalInWords, useTrain, type TrainingChoice } from "./useTrain";
import { PermittedButton } from "../../components/PermittedButton";
import styles from "./train.module.css";

interface Props {
  projectId: string;
  tags: readonly Tag[];
  iterations: readonly Iteration[];
  choice: TrainingChoice;
  onChange: (choice: TrainingChoice) => void;
  /** Whether the chosen tags have enough images. */
  isReady: boolean;
}

const HOUR_SECONDS = 3600;

/** Kind, budget, model to start from and tags of a training, and the button that begins it. */
export function TrainForm({ projectId, tags, iterations, choice, onChange, isReady }: Props) {
  const train = useTrain(projectId);
  const { domain, isDetection, isAnomaly } = useProjectKind(projectId);
  const trainer = useTrainer(projectId).data?.trainer;
  const hourSeconds = useInformation().data?.trainingHourSeconds ?? HOUR_SECONDS;
  const isAdvanced = choice.kind === "Advanced";
  const begin = (force: boolean) => train.mutate({ ...choice, force });
  const change = (part: Partial<TrainingChoice>) => {
    train.reset();
    onChange({ ...choice, ...part });
  };

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        begin(false);
      }}
      aria-label="New training"
    >
      <Stack gap="md">
        {isAnomaly ? (
          <Text size="sm" maw={520}>
            The model remembers images of good parts, which takes some seconds for each hundred images. There is nothing that a
            longer training would improve; more images of good parts do.
          </Text>
        ) : (
          <Kinds choice={choice} onChange={change} isDetection={isDetection} hourSeconds={hourSeconds} />
        )}
        <More projectId={projectId} tags={tags} iterations={iterations} choice={choice} onChange={change} domainId={domain?.id} isAnomaly={isAnomaly} />
        {domain && (
          <Text size="sm" c="dimmed">
            Domain: {domain.name}.{" "}
            <Link href={`/projects/${projectId}/settings`} className={styles.link}>
              Change it in the settings
            </Link>
            .
          </Text>
        )}
        {trainer === "instant" && (
          <Text size="sm" c="dimmed">
            This project has the instant trainer, which makes simple models in milliseconds for tests of programs, whatever the
            budget.
          </Text>
        )}
        {train.error !== null && <Refusal error={train.error} onForce={() => begin(true)} isBusy={train.isPending} />}
        <Group>
          <PermittedButton operation="TrainProject" type="submit" size="md" loading={train.isPending} disabled={!isReady || (isAdvanced && !hoursAreValid(choice))}>
            Train
          </PermittedButton>
          {!isReady && (
            <Text size="sm" c="dimmed">
              {isAnomaly ? "Images or a tag are missing, see beside." : "Some tags lack images, see the list."}
            </Text>
          )}
        </Group>
      </Stack>
    </form>
  );
}

interface KindsProps {
  choice: TrainingChoice;
  onChange: (part: Partial<TrainingChoice>) => void;
  isDetection: boolean;
  hourSeconds: number;
}

/** Quick or advanced, the latter with a budget. */
function Kinds({ choice, onChange, isDetection, hourSeconds }: KindsProps) {
  return (
    <>
      <Radio.Group label="Kind of training" value={choice.kind} onChange={(kind) => onChange({ kind: kind })}>
        <Stack gap="xs" mt={6}>
          <KindCard
            value="Regular"
            title="Quick"
            text={
              isDetection
                ? "About a minute. Good for a first look, and to see which images are missing."
                : "Seconds. Good for a first look, and to see which images are missing."
            }
          />
          <KindCard value="Advanced" title="Advanced" text="Takes the time that you allow, tries several networks and trains all of their layers." />
        </Stack>
      </Radio.Group>
      <Collapse expanded={choice.kind === "Advanced"}>
        <NumberInput
          label="Budget in hours"
          description={hoursAreValid(choice) ? budgetInWords(choice.hours, hourSeconds) : undefined}
          error={hoursAreValid(choice) ? null : `A whole number of hours, at least ${FEWEST_HOURS}.`}
          value={Number.isFinite(choice.hours) ? choice.hours : ""}
          onChange={(hours) => onChange({ hours: hours === "" ? NaN : Number(hours) })}
          min={FEWEST_HOURS}
          max={MOST_HOURS}
          allowDecimal={false}
          maw={420}
        />
      </Collapse>
    </>
  );
}

function hoursAreValid({ hours }: TrainingChoice): boolean {
  return Number.isInteger(hours) && hours >= FEWEST_HOURS;
}

function KindCard({ value, title, text }: { value: string; title: string; text: string }) {
  return (
    <Radio.Card value={value} p="sm" className={styles.kind} aria-label={title}>
      <Group wrap="nowrap" align="flex-start" gap="sm">
        <Radio.Indicator />
        <div>
          <Text size="sm" fw={600}>
            {title}
          </Text>
          <Text size="sm" c="dimmed">
            {text}
          </Text>
        </div>
      </Group>
    </Radio.Card>
  );
}

interface MoreProps extends Pick<Props, "projectId" | "tags" | "iterations" | "choice"> {
  onChange: (part: Partial<TrainingChoice>) => void;
  domainId: string | undefined;
  isAnomaly: boolean;
}

/** What most trainings leave at its default. */
function More({ tags, iterations, choice, onChange, domainId, isAnomaly }: MoreProps) {
  const [opened, setOpened] = useState(choice.baseId !== null || choice.tagIds.length > 0);
  const bases = iterations.filter((each) => each.status === "Completed" && each.domainId === domainId);
  return (
    <div>
      <Checkbox
        label="More options"
        checked={opened}
        onChange={(event) => {
          setOpened(event.currentTarget.checked);
          if (!event.currentTarget.checked) onChange({ baseId: null, tagIds: [] });
        }}
      />
      <Collapse expanded={opened}>
        <Stack gap="sm" mt="sm" maw={420}>
          {!isAnomaly && (
            <Select
              label="Start from"
              description="An iteration of the same domain whose model is trained further."
              placeholder={bases.length > 0 ? "The network of the domain" : "No iteration of this domain yet"}
              data={optionsOf(bases)}
              value={choice.baseId}
              onChange={(baseId) => onChange({ baseId })}
              disabled={bases.length === 0}
              clearable
              clearButtonProps={{ "aria-label": "Start from the network of the domain" }}
            />
          )}
          <MultiSelect
            label="Only these tags"
            description={isAnomaly ? "The tag of the good parts; images of other tags are known defects." : "Empty: all tags."}
            data={optionsOf(tags)}
            value={[...choice.tagIds]}
            onChange={(tagIds) => onChange({ tagIds })}
            searchable
            clearable
            limit={100}
            nothingFoundMessage="No tag of that name"
            clearButtonProps={{ "aria-label": "All tags" }}
          />
        </Stack>
      </Collapse>
    </div>
  );
}

function Refusal({ error, onForce, isBusy }: { error: unknown; onForce: () => void; isBusy: boolean }) {
  if (!isNotNeeded(error))
    return (
      <Alert color="red" role="alert" title="The training was not started">
        {refusalInWords(error)}
      </Alert>
    );
  return (
    <Alert color="blue" role="alert" title="No training is needed">
      <Stack gap="xs" align="flex-start">
        {refusalInWords(error)} Add or correct images for a better model.
        <Button size="compact-sm" variant="default" onClick={onForce} loading={isBusy}>
          Train anyway
        </Button>
      </Stack>
    </Alert>
  );
}
