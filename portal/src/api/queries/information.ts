import { useQuery } from "@tanstack/react-query";
import { body, emulator } from "../client";
import { cacheKeys } from "../keys";

/** Version, address, data folder, disk, memory and limits of the emulator. */
export function useInformation() {
  return useQuery({
    queryKey: cacheKeys.info,
    queryFn: ({ signal }) => body(emulator.GET("/_emulator/info", { signal })),
  });
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
