import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { body, emulator, type EmulatorTypes } from "../../../api/client";
import { cacheKeys } from "../../../api/keys";

export const SHOWN = 100;
const POLL_MS = 2000;
const FAILED = "4xx,5xx,none";

export interface LogFilter {
  /** Header X-Emulator-Client or a part of User-Agent; empty: all. */
  client: string;
  failedOnly: boolean;
}

/** The last requests, newest first. */
export function useRequestLog({ client, failedOnly }: LogFilter, isLive: boolean) {
  return useQuery({
    queryKey: cacheKeys.requestLog("entries", client, failedOnly),
    queryFn: ({ signal }) =>
      body(
        emulator.GET("/_emulator/requests", {
          params: {
            query: {
              limit: SHOWN,
              ...(client ? { client } : {}),
              ...(failedOnly ? { status: FAILED } : {}),
            },
          },
          signal,
        }),
      ),
    refetchInterval: isLive ? POLL_MS : false,
    placeholderData: keepPreviousData,
  });
}

export type Usage = EmulatorTypes["schemas"]["Usage"];

/** Which operations programs used since the start or the last clearing. */
export function useUsage(client: string) {
  return useQuery({
    queryKey: cacheKeys.requestLog("usage", client),
    queryFn: ({ signal }) =>
      body(
        emulator.GET("/_emulator/usage", { params: { query: client ? { client } : {} }, signal }),
      ) as Promise<Usage>,
    placeholderData: keepPreviousData,
  });
}
