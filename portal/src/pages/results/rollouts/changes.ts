/** Starting and changing a roll-out, as changes that can be undone. */
import { changeRollout, fetchNames, goBack, startRollout, type PublishedName, type Rollout, type Share } from "../../../api/queries/rollouts";
import { named } from "../../../lib/format";
import { GoneForGood, type Change } from "../../../undo/history";

/** "shadow mode", "10% of the requests". */
export function shareText({ percent }: Share): string {
  return percent === null ? "shadow mode" : `${percent.toLocaleString()}% of the requests`;
}

/** The roll-out that is running under a name; undefined where none is. */
export function runningOf(name: PublishedName | undefined): Rollout | undefined {
  return name?.rollout?.status === "Running" ? name.rollout : undefined;
}

/** Rejects where no roll-out of this candidate is running under the name: then there is nothing left to undo. */
async function checkRunning(projectId: string, publishName: string, candidateId: string): Promise<void> {
  const names = await fetchNames(projectId);
  const rollout = runningOf(names.find((each) => each.publishName === publishName));
  if (rollout?.candidate.iterationId !== candidateId) throw new GoneForGood("The roll-out has ended.");
}

export function starting(projectId: string, publishName: string, candidate: { id: string; name: string }, share: Share): Change {
  return {
    label: `Roll-out of ${named(candidate.name)} as ${named(publishName)} started, ${shareText(share)}`,
    redo: async () => {
      await startRollout(projectId, publishName, candidate.id, share);
    },
    undo: async () => {
      await checkRunning(projectId, publishName, candidate.id);
      await goBack(projectId, publishName, candidate.id);
    },
  };
}

export function changing(projectId: string, publishName: string, rollout: Rollout, share: Share): Change {
  const change = async (next: Share) => {
    await checkRunning(projectId, publishName, rollout.candidate.iterationId);
    await changeRollout(projectId, publishName, next);
  };
  return {
    label: `Roll-out of ${named(publishName)}: ${shareText(share)}`,
    redo: () => change(share),
    undo: () => change({ percent: rollout.percent }),
  };
}
