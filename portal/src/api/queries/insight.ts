/** What the emulator says about the errors of an iteration, and about labels: its own API. */
import { keepPreviousData, queryOptions, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { body, emulator, type EmulatorTypes } from "../client";
import { withTagsByName } from "../../lib/tagNames";
import { cacheKeys } from "../keys";
import { fetchImagesByIds } from "./images";

type Shapes = EmulatorTypes["schemas"];
export type ConfusionMatrix = Shapes["ConfusionMatrix"];
export type TagOutcomes = ConfusionMatrix["perTag"][number];
export type ImageOfCell = Shapes["ImageOfCell"];
export type CurvePoint = Shapes["CurvePoint"];
export type CalibrationBin = Shapes["CalibrationBin"];
export type TrainingReport = Shapes["TrainingReport"];
export type TrainingAttempt = Shapes["TrainingAttempt"];
export type LabelHint = Shapes["LabelHint"];
export type LabelIssue = Shapes["LabelIssue"];
export type NearDuplicates = Shapes["NearDuplicates"];
export type DuplicateGroup = NearDuplicates["groups"][number];
export type ImageMap = Shapes["ImageMap"];
export type MappedImage = ImageMap["images"][number];
export type Outcome = "TruePositive" | "FalsePositive" | "FalseNegative" | "TrueNegative";

/** Which images: of a cell of the matrix (ids of tags or "none"), or of an outcome of a tag. */
export type CellOf = { actual: string; predicted: string } | { tagId: string; outcome: Outcome };

export interface Thresholds {
  threshold: number;
  overlapThreshold: number;
}

const ITERATION = "/_emulator/projects/{projectId}/iterations/{iterationId}" as const;
const CELL_PAGE = 24;
const RUNNING_POLL_MS = 1000;

export function useConfusionMatrix(projectId: string, iterationId: string, { threshold, overlapThreshold }: Thresholds) {
  return useQuery({
    queryKey: cacheKeys.iteration(projectId, iterationId, "matrix", threshold, overlapThreshold),
    queryFn: async ({ signal }) =>
      withTagsByName(
        await body(
          emulator.GET(`${ITERATION}/confusionMatrix`, {
            params: { path: { projectId, iterationId }, query: { threshold, overlapThreshold } },
            signal,
          }),
        ),
      ),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
}

/** What the training of an iteration tried. */
export function useTrainingReport(projectId: string, iterationId: string) {
  return useQuery({
    queryKey: cacheKeys.iteration(projectId, iterationId, "trainingReport"),
    queryFn: ({ signal }) =>
      body(emulator.GET(`${ITERATION}/trainingReport`, { params: { path: { projectId, iterationId } }, signal })),
    staleTime: Infinity,
  });
}

/** The images of a cell, the most confident first, in pages. */
export function useCellImages(projectId: string, iterationId: string, thresholds: Thresholds, cell: CellOf) {
  return useInfiniteQuery({
    queryKey: cacheKeys.iteration(projectId, iterationId, "cell", thresholds, cell),
    queryFn: ({ pageParam, signal }) =>
      body(
        emulator.GET(`${ITERATION}/confusionMatrix/images`, {
          params: { path: { projectId, iterationId }, query: { ...thresholds, ...cell, take: CELL_PAGE, skip: pageParam } },
          signal,
        }),
      ),
    initialPageParam: 0,
    getNextPageParam: (last, _all, skipped) => (last.length === CELL_PAGE ? skipped + CELL_PAGE : undefined),
  });
}

/** The images as they are in the workspace now, by id; at most 256. */
export function useCurrentImages(projectId: string, imageIds: readonly string[]) {
  return useQuery({ ...currentImages(projectId, imageIds), placeholderData: keepPreviousData });
}

/** The query of `useCurrentImages`. */
export function currentImages(projectId: string, imageIds: readonly string[]) {
  return queryOptions({
    queryKey: cacheKeys.images(projectId, "now", imageIds),
    queryFn: async ({ signal }) => {
      const images = await fetchImagesByIds(projectId, imageIds, undefined, signal);
      return new Map(images.map((image) => [image.id, image]));
    },
    enabled: imageIds.length > 0,
  });
}

export function usePrecisionRecall(projectId: string, iterationId: string, overlapThreshold: number) {
  return useQuery({
    queryKey: cacheKeys.iteration(projectId, iterationId, "precisionRecall", overlapThreshold),
    queryFn: ({ signal }) =>
      body(
        emulator.GET(`${ITERATION}/precisionRecallCurve`, {
          params: { path: { projectId, iterationId }, query: { overlapThreshold, points: 1000 } },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
}

export function useCalibration(projectId: string, iterationId: string, overlapThreshold: number) {
  return useQuery({
    queryKey: cacheKeys.iteration(projectId, iterationId, "calibration", overlapThreshold),
    queryFn: ({ signal }) =>
      body(
        emulator.GET(`${ITERATION}/calibrationCurve`, {
          params: { path: { projectId, iterationId }, query: { overlapThreshold, bins: 10 } },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
}

/** The strongest hints. Those that are dealt with leave the list, so that it moves up. */
export function useLabelHints(projectId: string, iterationId: string) {
  return useQuery({
    queryKey: cacheKeys.iteration(projectId, iterationId, "labelHints"),
    queryFn: ({ signal }) =>
      body(emulator.GET(`${ITERATION}/labelHints`, { params: { path: { projectId, iterationId }, query: { take: 100 } }, signal })),
  });
}

export async function keepLabels(projectId: string, iterationId: string, imageIds: string[]): Promise<void> {
  await emulator.POST(`${ITERATION}/labelHints/keep`, { params: { path: { projectId, iterationId } }, body: { imageIds } });
}

export async function withdrawKept(projectId: string, iterationId: string, imageIds: string[]): Promise<void> {
  await emulator.DELETE(`${ITERATION}/labelHints/keep`, { params: { path: { projectId, iterationId }, query: { imageIds } } });
}

/** Groups of near-duplicates whose images have different tags; requested again while the search runs. */
export function useContradictions(projectId: string, iterationId: string) {
  return useQuery({
    queryKey: cacheKeys.iteration(projectId, iterationId, "contradictions"),
    queryFn: ({ signal }) =>
      body(
        emulator.GET("/_emulator/projects/{projectId}/nearDuplicates", {
          params: { path: { projectId }, query: { iterationId, contradictoryTags: true, take: 50 } },
          signal,
        }),
      ),
    refetchInterval: (query) => (query.state.data?.status === "Running" ? RUNNING_POLL_MS : false),
  });
}

/** The map of the images of the workspace; requested again while they are arranged. */
export function useImageMap(projectId: string) {
  return useQuery({
    queryKey: cacheKeys.images(projectId, "map"),
    queryFn: ({ signal }) =>
      body(emulator.GET("/_emulator/projects/{projectId}/map", { params: { path: { projectId } }, signal })),
    refetchInterval: (query) => (query.state.data?.status === "Running" ? RUNNING_POLL_MS : false),
  });
}
