import { Anchor, Button, Group, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import { keepLabels, withdrawKept, type LabelHint } from "../../../api/queries/insight";
import { announce } from "../../../components/announce";
import { EmptyState } from "../../../components/states";
import { TagBadge } from "../../../components/TagBadge";
import { KeyOf } from "../../../keyboard/KeyOf";
import { useKeys } from "../../../keyboard/useKeys";
import { count, percent } from "../../../lib/format";
import { useUndo } from "../../../undo/UndoProvider";
import { BoxedImage } from "../overlay/BoxedImage";
import type { ShownBox } from "../overlay/Overlay";
import { correctionOf } from "../corrections/corrections";
import { HintList } from "./HintList";
import styles from "./hints.module.css";
import { correctionOfIssue, proposal, sentence } from "./sentence";

interface Props {
  projectId: string;
  iterationId: string;
  hints: { count: number; changedCount: number; keptCount: number; hints: LabelHint[] };
}

/** One hint after the other: a key keeps the labels, another one makes the proposed change. */
export function HintReview({ projectId, iterationId, hints }: Props) {
  const undo = useUndo();
  const [place, setPlace] = useState(0);
  const [busy, setBusy] = useState(false);
  const index = Math.min(place, hints.hints.length - 1);
  const hint = hints.hints[index];
  const issue = hint?.issues[0];

  function go(step: number): void {
    const next = Math.max(0, Math.min(hints.hints.length - 1, index + step));
    setPlace(next);
    const there = hints.hints[next]?.issues[0];
    if (there) announce(`Hint ${next + 1} of ${hints.hints.length}. ${sentence(there)}`);
  }

  async function run(change: { label: string; redo: () => Promise<void>; undo: () => Promise<void> }): Promise<void> {
    if (busy) return;
    setBusy(true);
    await undo.run(change, { toast: true });
    setBusy(false);
  }

  function keep(): void {
    if (!hint) return;
    const ids = [hint.id];
    void run({
      label: "Kept the labels of an image",
      redo: () => keepLabels(projectId, iterationId, ids),
      undo: () => withdrawKept(projectId, iterationId, ids),
    });
  }

  function change(): void {
    const correction = hint && issue && correctionOfIssue(hint, issue);
    if (correction) void run(correctionOf(projectId, hint.id, correction, proposal(issue).done));
  }

  useKeys({ keepHint: keep, changeHint: change, nextHint: () => go(1), previousHint: () => go(-1) }, hint !== undefined);

  if (!hint || !issue)
    return (
      <EmptyState title="No label is contradicted">
        {hints.keptCount + hints.changedCount > 0
          ? `All hints are dealt with: ${count(hints.keptCount, "image")} kept, ${count(hints.changedCount, "image")} changed since the training.`
          : "No prediction of a model that had not seen an image confidently contradicts its labels."}
      </EmptyState>
    );
  return (
    <div className={styles.review}>
      <HintList hints={hints.hints} index={index} onChoose={setPlace} />
      <section className={styles.hint} aria-label={`Hint ${index + 1} of ${hints.hints.length}`}>
        <div className={styles.picture}>
          <BoxedImage uri={hint.imageUri} width={hint.width} height={hint.height} boxes={boxes(hint)} alt="" named />
        </div>
        <Stack gap="sm">
          <Title order={2} size="h4" className={styles.sentence}>
            {sentence(issue)}
          </Title>
          <Group gap={6}>
            <Text size="sm" c="dimmed">
              Labels now
            </Text>
            {hint.tags.map((tag) => (
              <TagBadge key={tag.tagId} tagId={tag.tagId} name={tag.tagName} />
            ))}
          </Group>
          <Group>
            <Button variant="default" onClick={keep} disabled={busy} rightSection={<KeyOf action="keepHint" />}>
              Keep
            </Button>
            <Button onClick={change} disabled={busy || !correctionOfIssue(hint, issue)} rightSection={<KeyOf action="changeHint" />}>
              {proposal(issue).button}
            </Button>
          </Group>
          {hint.issues.length > 1 && (
            <div>
              <Text size="sm" fw={600}>
                Also
              </Text>
              <ul className={styles.more}>
                {hint.issues.slice(1, 6).map((each, place) => (
                  <li key={place}>{sentence(each)}</li>
                ))}
              </ul>
            </div>
          )}
          <Anchor component={Link} size="sm" href={`/projects/${projectId}/label?image=${hint.id}`} underline="always">
            Edit all labels
          </Anchor>
          <Text size="sm" c="dimmed">
            Hint {index + 1} of {hints.count.toLocaleString()}, the strongest first. Strength {percent(issue.strength, 0)}: how much
            more probable the proposed label is than the present one. {hints.keptCount > 0 && `${count(hints.keptCount, "image")} kept. `}
            {hints.changedCount > 0 && `${count(hints.changedCount, "image")} changed since the training.`}
          </Text>
        </Stack>
      </section>
    </div>
  );
}

/** The regions in question: marked ones with solid, predicted ones with dashed lines; otherwise none. */
function boxes(hint: LabelHint): ShownBox[] {
  return hint.issues.flatMap((issue) => [
    ...(issue.boundingBox && issue.tagId ? [{ tagId: issue.tagId, name: issue.tagName ?? "", box: issue.boundingBox, dashed: false }] : []),
    ...(issue.proposedBoundingBox && issue.proposedTagId
      ? [{ tagId: issue.proposedTagId, name: issue.proposedTagName ?? "", box: issue.proposedBoundingBox, dashed: true }]
      : []),
  ]);
}
