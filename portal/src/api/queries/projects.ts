import { useQuery } from "@tanstack/react-query";
import { body, emulator, training, type Schemas } from "../client";
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

/** Models of this domain are trained on images of good parts alone; docs/anomaly-detection.md. */
const ANOMALY_DETECTION = "2f02d4b1-bf70-4825-8148-07fe427e5273";

export function detectsAnomalies(domain: Pick<Domain, "id"> | undefined): boolean {
  return domain?.id === ANOMALY_DETECTION;
}

/** The domains of the service, and those that only the emulator has. */
export function useDomains() {
  return useQuery({
    queryKey: cacheKeys.domains,
    queryFn: async ({ signal }): Promise<Domain[]> => {
      const [listed, { ownDomains }] = await Promise.all([
        body(training.GET("/domains", { signal })),
        body(emulator.GET("/_emulator/info", { signal })),
      ]);
      const own = ownDomains.map(({ id, name, type, exportablePlatforms }) => ({
        id,
        name,
        type,
        exportable: exportablePlatforms.length > 0,
        exportablePlatforms: exportablePlatforms as Domain["exportablePlatforms"],
        enabled: true,
        modelInformation: null,
      }));
      return [...listed, ...own];
    },
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
    isAnomaly: detectsAnomalies(domain),
    isDetection: domain?.type === "ObjectDetection",
    isMulticlass: domain?.type === "Classification" && project?.settings.classificationType === "Multiclass",
  };
}
