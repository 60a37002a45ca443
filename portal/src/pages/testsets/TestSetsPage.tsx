import { Button, Stack, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useState } from "react";
import { Link, useLocation, useRoute, useSearch } from "wouter";
import type { PageProps } from "../../app/pages";
import { useProjectKind } from "../../api/queries/projects";
import { createTestSet, useTestSets, type TestSet } from "../../api/queries/testSets";
import { EmptyState, Loaded } from "../../components/states";
import { ThresholdControls } from "../../components/thresholds/ThresholdControls";
import { count } from "../../lib/format";
import { NameDialog } from "./NameDialog";
import { ResultView } from "./ResultView";
import styles from "./testsets.module.css";
import { TestSetView } from "./TestSetView";
import { useChanged } from "./useChanged";

/** Labeled images that no training uses, and how iterations do on them. */
export default function TestSetsPage({ projectId }: PageProps) {
  const sets = useTestSets(projectId);
  return <Loaded query={sets}>{(all) => <Sets projectId={projectId} sets={all} />}</Loaded>;
}

function Sets({ projectId, sets }: { projectId: string; sets: readonly TestSet[] }) {
  const [creating, setCreating] = useState(false);
  const [, navigate] = useLocation();
  const search = useSearch();
  const { isDetection, isAnomaly } = useProjectKind(projectId);
  const changed = useChanged(projectId);
  const [, setRoute] = useRoute("/projects/:projectId/testsets/:testSetId/*?");
  const [, resultRoute] = useRoute("/projects/:projectId/testsets/:testSetId/:iterationId");
  const selected = setRoute?.testSetId ? sets.find((each) => each.id === setRoute.testSetId) : sets[0];
  const query = search && `?${search}`;
  const base = `/projects/${projectId}/testsets`;
  const add = (
    <Button variant={sets.length ? "default" : "filled"} leftSection={<IconPlus size={18} />} onClick={() => setCreating(true)}>
      New test set
    </Button>
  );
  return (
    <>
      {sets.length === 0 ? (
        <EmptyState title="No test set yet" action={add}>
          A test set has labeled images that no training uses: of another day, another camera, another line. It shows how
          good each iteration really is, and which images it gets wrong.
        </EmptyState>
      ) : (
        <div className="with-side">
          <Stack className="side" gap="lg">
            <ThresholdControls isDetection={isDetection} isAnomaly={isAnomaly} />
            <nav aria-label="Test sets">
              <ul className={styles.sets}>
                {sets.map((each) => (
                  <li key={each.id}>
                    <Link href={`${base}/${each.id}${query}`} className={styles.set} aria-current={each.id === selected?.id ? "page" : undefined}>
                      <bdi title={each.name}>{each.name}</bdi>
                      <Text span size="xs">
                        {count(each.imageCount, "image")}
                      </Text>
                    </Link>
                  </li>
                ))}
              </ul>
            </nav>
            {add}
          </Stack>
          <div>
            <div className="page">
              {selected === undefined ? (
                <EmptyState title="This test set does not exist">It was perhaps deleted in another window. Choose another one in the list.</EmptyState>
              ) : resultRoute?.iterationId ? (
                <ResultView key={`${selected.id} ${resultRoute.iterationId}`} projectId={projectId} testSet={selected} iterationId={resultRoute.iterationId} />
              ) : (
                <TestSetView key={selected.id} projectId={projectId} testSet={selected} />
              )}
            </div>
          </div>
        </div>
      )}
      <NameDialog
        title="New test set"
        action="Create"
        opened={creating}
        onClose={() => setCreating(false)}
        onSubmit={async (name) => {
          const made = await createTestSet(projectId, name);
          await changed();
          navigate(`${base}/${made.id}${query}`);
        }}
      />
    </>
  );
}
