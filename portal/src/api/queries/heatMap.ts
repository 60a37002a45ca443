import { useQuery } from "@tanstack/react-query";
import { body, emulator, type EmulatorTypes } from "../client";
import { cacheKeys } from "../keys";

export type HeatMap = EmulatorTypes["schemas"]["HeatMap"];
/** The image: one of the project, that of a stored prediction, or a file. */
export type MappedImage = { imageId: string } | { predictionId: string } | { file: File };

const HEAT_MAP = "/_emulator/projects/{projectId}/iterations/{iterationId}/heatMap" as const;
/** Numbers of files, since a key of a cache cannot have a file itself. */
const numbers = new WeakMap<File, number>();
let lastNumber = 0;

function keyOf(image: MappedImage): string {
  if ("imageId" in image) return `image ${image.imageId}`;
  if ("predictionId" in image) return `prediction ${image.predictionId}`;
  const number = numbers.get(image.file) ?? ++lastNumber;
  numbers.set(image.file, number);
  return `file ${number}`;
}

/** Where in an image a model finds the reasons for a tag. tagId: null for anomalies, or else the most probable tag. */
export function useHeatMap(projectId: string, iterationId: string, image: MappedImage | null, tagId: string | null, enabled: boolean) {
  return useQuery({
    queryKey: cacheKeys.heatMap(projectId, iterationId, image === null ? "" : keyOf(image), tagId),
    queryFn: ({ signal }) => {
      const path = { projectId, iterationId };
      const tag = tagId === null ? {} : { tagId };
      if (image !== null && "file" in image)
        return body(
          emulator.POST(HEAT_MAP, {
            params: { path, query: tag },
            body: image.file as never,
            bodySerializer: (file: unknown) => file as File,
            headers: { "Content-Type": "application/octet-stream" },
            signal,
          }),
        );
      return body(emulator.GET(HEAT_MAP, { params: { path, query: { ...image, ...tag } }, signal }));
    },
    enabled: enabled && image !== null,
    // The same model says the same of the same image.
    staleTime: "static",
    gcTime: 60_000,
  });
}
