import { useQuery } from "@tanstack/react-query";
import { count } from "../../lib/format";
import { body, emulator } from "../client";
import { cacheKeys } from "../keys";

/** Version, address, data folder, disk, memory and limits of the emulator. */
export function useInformation() {
  return useQuery({
    queryKey: cacheKeys.info,
    queryFn: ({ signal }) => body(emulator.GET("/_emulator/info", { signal })),
  });
}

/** Whether the key of the session is that of an administrator; true until it is known. */
export function useIsAdministrator(): boolean {
  const information = useInformation().data;
  return information === undefined || (information.resource === "default" && information.role === null);
}

/** For how long predictions are stored: "up to 30 days", since the oldest are deleted earlier when there are many. */
export function usePredictionTime(): string {
  const days = useInformation().data?.storedPredictionDays;
  return days === undefined ? "a limited time" : `up to ${count(days, "day")}`;
}

/** The keys of both resources, one or two of each. They are not kept when no page shows them. */
export function useResourceKeys() {
  return useQuery({
    queryKey: cacheKeys.keys,
    queryFn: async ({ signal }) => {
      const { trainingKeys, predictionKeys } = await body(emulator.GET("/_emulator/keys", { signal }));
      // A single key of the options is both keys of the resource.
      return { trainingKeys: [...new Set(trainingKeys)], predictionKeys: [...new Set(predictionKeys)] };
    },
    gcTime: 0,
  });
}
