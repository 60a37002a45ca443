import { Alert, Button, Group, NativeSelect, Progress, Slider, Stack, Switch, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { inWords } from "../../api/errors";
import { useUntaggedCount } from "../../api/queries/images";
import { choiceOf } from "../../components/iterations/instant";
import { InstantWarning } from "../../components/iterations/InstantMark";
import { count, percent } from "../../lib/format";
import { prefer, usePreferences } from "./preferences";
import type { Labeling } from "./useLabeling";
import { useSuggestAll } from "./useSuggestAll";
import classes from "./label.module.css";

interface Props {
  projectId: string;
  labeling: Labeling;
  isDetection: boolean;
  error: unknown;
  /** Suggestions of the open image from the threshold on. */
  amount: number;
  onAcceptAll: () => void;
  children?: ReactNode;
}

/** What the newest model suggests, from which probability on, and the region proposals. */
export function SuggestionPanel({ projectId, labeling, isDetection, error, amount, onAcceptAll, children }: Props) {
  const preferences = usePreferences();
  const { model, suggesting } = labeling;
  return (
    <section className={classes.section} aria-label="Suggestions">
      <Title order={2} size="h6" mb={6}>
        Suggestions
      </Title>
      <Stack gap={8}>
        {!model && (
          <Text size="xs" c="dimmed">
            After the first training, the model suggests labels here.
          </Text>
        )}
        {model && (
          <>
            <Switch
              size="xs"
              label={
                <>
                  Suggestions of <bdi>{model.name}</bdi>
                </>
              }
              checked={preferences.showSuggestions}
              onChange={(event) => prefer({ showSuggestions: event.currentTarget.checked })}
            />
            {suggesting.models.length > 1 && (
              <NativeSelect
                size="xs"
                aria-label="Iteration that suggests"
                value={model.id}
                data={suggesting.models.map((each) => choiceOf(each, suggesting.instant))}
                onChange={(event) => suggesting.chooseModel(event.currentTarget.value)}
              />
            )}
            {suggesting.instant?.has(model.id) && (
              <InstantWarning>The instant trainer made this model, for tests only. Check each suggestion.</InstantWarning>
            )}
            <Text size="xs" id="suggestion-threshold">
              From a probability of {percent(preferences.threshold, 0)}
            </Text>
            <Slider
              size="sm"
              min={0}
              max={1}
              step={0.05}
              label={null}
              value={preferences.threshold}
              onChange={(threshold) => prefer({ threshold })}
              thumbProps={{ "aria-labelledby": "suggestion-threshold" }}
            />
            {children}
            <Button size="xs" variant="light" disabled={amount === 0} onClick={onAcceptAll}>
              {amount === 0 ? "No suggestion for this image" : `Accept ${count(amount, "suggestion")}`}
            </Button>
            {error != null && (
              <Alert color="orange" p="xs" role="alert">
                {inWords(error)}
              </Alert>
            )}
            <SuggestAll projectId={projectId} iterationId={model.id} />
          </>
        )}
        {isDetection && (
          <Switch
            size="xs"
            label="Show region proposals"
            description="Dotted boxes around probable objects"
            checked={preferences.showProposals}
            onChange={(event) => prefer({ showProposals: event.currentTarget.checked })}
          />
        )}
      </Stack>
    </section>
  );
}

interface ListProps {
  label: string;
  items: readonly { id: string; name: string; probability: number }[];
  onAccept: (id: string) => void;
}

/** More are accepted with all others, or seen on the image. */
const MOST_LISTED = 8;

/** Single suggestions, the next one first. */
export function SuggestionList({ label, items, onAccept }: ListProps) {
  if (items.length === 0) return null;
  return (
    <ol className={classes.rows} aria-label={label}>
      {items.slice(0, MOST_LISTED).map((each, index) => (
        <li key={each.id}>
          <button type="button" className={classes.row} data-active={index === 0 || undefined} onMouseDown={(event) => event.preventDefault()} onClick={() => onAccept(each.id)}>
            <bdi className={classes.text}>{each.name}</bdi>
            <span className={classes.aside}>{percent(each.probability, 0)}</span>
          </button>
        </li>
      ))}
    </ol>
  );
}

const AMOUNTS = [64, 256];

function SuggestAll({ projectId, iterationId }: { projectId: string; iterationId: string }) {
  const job = useSuggestAll(projectId, iterationId);
  const untagged = useUntaggedCount(projectId).data;
  if (job.progress)
    return (
      <Group gap={8} wrap="nowrap">
        <Progress flex={1} value={(100 * job.progress.done) / job.progress.total} aria-label={`Suggestions for ${job.progress.done} of ${job.progress.total} images`} />
        <Text size="xs">
          {job.progress.done} of {job.progress.total}
        </Text>
        <Button size="compact-xs" variant="default" onClick={job.cancel}>
          Stop
        </Button>
      </Group>
    );
  if (!untagged) return null;
  const amounts = [...AMOUNTS.filter((amount) => amount < untagged), untagged];
  return (
    <div>
      <Text size="xs" c="dimmed" mb={4}>
        Suggest ahead for untagged images, to sort them by uncertainty:
      </Text>
      <Group gap={6}>
        {amounts.map((amount) => (
          <Button key={amount} size="compact-xs" variant="default" onClick={() => void job.start(amount)}>
            {amount === untagged ? `All ${amount.toLocaleString()}` : amount}
          </Button>
        ))}
      </Group>
      {job.problem && (
        <Alert color="orange" p="xs" mt={6} role="alert">
          {job.problem}
        </Alert>
      )}
    </div>
  );
}
