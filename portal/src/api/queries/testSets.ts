/** Test sets, evaluations on them, and comparisons of iterations: the emulator's own API. */
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { body, emulator, type EmulatorTypes } from "../client";
import { PREFIX } from "../prefix";
import { withTagsByName } from "../../lib/tagNames";
import { cacheKeys } from "../keys";
import type { CellOf } from "./insight";

type Shapes = EmulatorTypes["schemas"];
export type TestSet = Shapes["TestSet"];
export type TestImage = Shapes["TestImage"];
export type TestEvaluation = Shapes["TestEvaluation"];
export type TestResult = Shapes["TestResult"];
export type EvaluatedTestImage = Shapes["EvaluatedTestImage"];
export type AddedTestImage = Shapes["AddedTestImages"]["images"][number];
export type Comparison = Shapes["Comparison"];
export type Change = "Gained" | "Lost";
export type Shown = "All" | "Wrong" | "Right";

/** An image that one iteration gets right and the other one wrong, of a project or of a test set. */
export interface ChangedImage {
  id: string;
  width: number;
  height: number;
  imageUri: string;
  thumbnailUri: string;
  tags: readonly { tagId: string; tagName: string }[];
  predictions: Shapes["PredictedTag"][];
  otherPredictions: Shapes["PredictedTag"][];
}

interface Thresholds {
  threshold: number;
  overlapThreshold: number;
}

const SETS = "/_emulator/projects/{projectId}/testSets" as const;
const SET = `${SETS}/{testSetId}` as const;
const EVALUATION = `${SET}/evaluations/{iterationId}` as const;
const ITERATION = "/_emulator/projects/{projectId}/iterations/{iterationId}" as const;
const PAGE = 48;
const POLL_MS = 700;

export function useTestSets(projectId: string) {
  return useQuery({
    queryKey: cacheKeys.testSets(projectId),
    queryFn: ({ signal }) => body(emulator.GET(SETS, { params: { path: { projectId } }, signal })),
  });
}

/** The images of a test set, oldest first, in pages. */
export function useTestImages(projectId: string, testSetId: string, tagId: string | undefined) {
  return useInfiniteQuery({
    queryKey: cacheKeys.testSets(projectId, testSetId, "images", tagId),
    queryFn: ({ pageParam, signal }) =>
      body(
        emulator.GET(`${SET}/images`, {
          params: { path: { projectId, testSetId }, query: { tagId, take: PAGE, skip: pageParam } },
          signal,
        }),
      ),
    initialPageParam: 0,
    getNextPageParam: (last, _all, skipped) => (last.length === PAGE ? skipped + PAGE : undefined),
  });
}

/** The evaluations on a test set; requested again while one waits or runs. */
export function useEvaluations(projectId: string, testSetId: string, thresholds: Thresholds) {
  return useQuery({
    queryKey: cacheKeys.testSets(projectId, testSetId, "evaluations", thresholds),
    queryFn: ({ signal }) =>
      body(emulator.GET(`${SET}/evaluations`, { params: { path: { projectId, testSetId }, query: { ...thresholds } }, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: (query) => (query.state.data?.some((each) => each.status === "Waiting") ? POLL_MS : false),
  });
}

export function useTestResult(projectId: string, testSetId: string, iterationId: string, thresholds: Thresholds) {
  return useQuery({
    queryKey: cacheKeys.testSets(projectId, testSetId, "evaluations", iterationId, thresholds),
    queryFn: async ({ signal }) =>
      withTagsByName(
        await body(
          emulator.GET(EVALUATION, {
            params: { path: { projectId, testSetId, iterationId }, query: { ...thresholds } },
            signal,
          }),
        ),
      ),
    placeholderData: keepPreviousData,
  });
}

/** The images of an evaluation with their predictions, wrong ones first, in pages. */
export function useEvaluatedImages(
  projectId: string,
  testSetId: string,
  iterationId: string,
  thresholds: Thresholds,
  show: Shown,
  cell: CellOf | null,
) {
  return useInfiniteQuery({
    queryKey: cacheKeys.testSets(projectId, testSetId, "evaluations", iterationId, "images", thresholds, show, cell),
    queryFn: ({ pageParam, signal }) =>
      body(
        emulator.GET(`${EVALUATION}/images`, {
          params: {
            path: { projectId, testSetId, iterationId },
            query: { ...thresholds, show, ...(cell ?? {}), take: PAGE, skip: pageParam },
          },
          signal,
        }),
      ),
    initialPageParam: 0,
    getNextPageParam: (last, _all, skipped) => (skipped + PAGE < last.imageCount ? skipped + PAGE : undefined),
    placeholderData: keepPreviousData,
  });
}

/** An iteration compared with another one; on a test set, or by cross-validation where none is named. */
export function useComparison(projectId: string, iterationId: string, otherId: string, testSetId: string | null, thresholds: Thresholds) {
  return useQuery({
    queryKey: cacheKeys.iteration(projectId, iterationId, "comparison", otherId, testSetId, thresholds),
    queryFn: ({ signal }) => {
      const query = { with: otherId, ...thresholds };
      return testSetId === null
        ? body(emulator.GET(`${ITERATION}/comparison`, { params: { path: { projectId, iterationId }, query }, signal }))
        : body(emulator.GET(`${EVALUATION}/comparison`, { params: { path: { projectId, testSetId, iterationId }, query }, signal }));
    },
    placeholderData: keepPreviousData,
  });
}

export function useChangedImages(
  projectId: string,
  iterationId: string,
  otherId: string,
  testSetId: string | null,
  thresholds: Thresholds,
  change: Change,
) {
  return useInfiniteQuery({
    queryKey: cacheKeys.iteration(projectId, iterationId, "comparison", otherId, testSetId, thresholds, change),
    queryFn: ({ pageParam, signal }): Promise<{ imageCount: number; images: readonly ChangedImage[] }> => {
      const query = { with: otherId, ...thresholds, change, take: PAGE, skip: pageParam };
      return testSetId === null
        ? body(emulator.GET(`${ITERATION}/comparison/images`, { params: { path: { projectId, iterationId }, query }, signal }))
        : body(emulator.GET(`${EVALUATION}/comparison/images`, { params: { path: { projectId, testSetId, iterationId }, query }, signal }));
    },
    initialPageParam: 0,
    getNextPageParam: (last, _all, skipped) => (skipped + PAGE < last.imageCount ? skipped + PAGE : undefined),
    placeholderData: keepPreviousData,
  });
}

export const createTestSet = (projectId: string, name: string) =>
  body(emulator.POST(SETS, { params: { path: { projectId } }, body: { name } }));

export const renameTestSet = (projectId: string, testSetId: string, name: string) =>
  body(emulator.PATCH(SET, { params: { path: { projectId, testSetId } }, body: { name } }));

export const deleteTestSet = (projectId: string, testSetId: string) =>
  emulator.DELETE(SET, { params: { path: { projectId, testSetId } } });

export const deleteTestImages = (projectId: string, testSetId: string, imageIds: string[]) =>
  emulator.DELETE(`${SET}/images`, { params: { path: { projectId, testSetId }, query: { imageIds } } });

export const evaluate = (projectId: string, testSetId: string, iterationIds: string[]) =>
  body(emulator.POST(`${SET}/evaluations`, { params: { path: { projectId, testSetId } }, body: { iterationIds } }));

/** Add files with the same tag; `tagName` null adds none. */
export function addTestImages(projectId: string, testSetId: string, files: readonly { name: string; data: Blob }[], tagName: string | null, signal?: AbortSignal) {
  const form = new FormData();
  for (const [index, file] of files.entries()) form.append(String(index), file.data, file.name);
  return body(
    emulator.POST(`${SET}/images`, {
      params: { path: { projectId, testSetId }, query: tagName === null ? {} : { tagName: [tagName] } },
      querySerializer: { array: { style: "form", explode: true } },
      body: form as never,
      bodySerializer: (value: unknown) => value as FormData,
      signal,
    }),
  );
}

/** The address of a table in CSV. */
export function csvAddress(projectId: string, testSetId: string, { threshold, overlapThreshold }: Thresholds, content: "Figures" | "Images"): string {
  const query = new URLSearchParams({ threshold: String(threshold), overlapThreshold: String(overlapThreshold), content });
  return `${PREFIX}/_emulator/projects/${projectId}/testSets/${testSetId}/evaluations.csv?${query.toString()}`;
}
