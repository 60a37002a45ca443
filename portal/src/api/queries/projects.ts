import { useQuery } from "@tanstack/react-query";
import { body, training, type Schemas } from "../client";
import { cacheKeys } from "../keys";

export type Project = Schemas["Project"];
export type Domain = Schemas["Domain"];

const IMPORT_POLL_MS = 1000;

/** All projects; requested again every second while one is imported. */
export function useProjects() {
  return useQuery({
    queryKey: cacheKeys.projects,
    queryFn: ({ signal }) => body(training.GET("/projects", { signal })),
    refetchInterval: (query) => (query.state.data?.some((each) => each.status === "Importing") ? IMPORT_POLL_MS : false),
  });
}

export function useProject(projectId: string, enabled = true) {
  return useQuery({
    queryKey: cacheKeys.project(projectId),
    queryFn: ({ signal }) =>
      body(training.GET("/projects/{projectId}", { params: { path: { projectId } }, signal })),
    enabled,
  });
}

export function useDomains() {
  return useQuery({
    queryKey: cacheKeys.domains,
    queryFn: ({ signal }) => body(training.GET("/domains", { signal })),
    staleTime: Infinity,
  });
}

/** The domain of a project, and what follows from it. */
export function useProjectKind(projectId: string) {
  const project = useProject(projectId).data;
  const domain = useDomains().data?.find((each) => each.id === project?.settings.domainId);
  return {
    project,
    domain,
    isDetection: domain?.type === "ObjectDetection",
    isMulticlass: domain?.type === "Classification" && project?.settings.classificationType === "Multiclass",
  };
}
