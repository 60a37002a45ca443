import type { PageProps } from "../../app/pages";
import { ErrorState, Loading } from "../../components/states";
import { useDomains, useProjectKind } from "../../api/queries/projects";
import { useTags } from "../../api/queries/tags";
import { BoxSession } from "./BoxSession";
import { TagSession } from "./TagSession";

/** A labeling session: images one after another, with boxes or with tags. */
export default function LabelPage({ projectId }: PageProps) {
  const { domain, isDetection, isMulticlass } = useProjectKind(projectId);
  const failed = [useDomains(), useTags(projectId)].find((query) => query.data === undefined && query.error !== null);
  if (failed) return <ErrorState error={failed.error} onRetry={() => void failed.refetch()} />;
  if (!domain) return <Loading />;
  return isDetection ? <BoxSession projectId={projectId} /> : <TagSession projectId={projectId} single={isMulticlass} />;
}
