import { QueryClient } from "@tanstack/react-query";
import { isTransient } from "../api/errors";

const ATTEMPTS = 3;

/** Reads are tried again when that can help; changes are not, since they may have been made. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      retry: (failures, error) => failures < ATTEMPTS && isTransient(error),
      staleTime: 2000,
      // The emulator is on this machine or in this network; the browser's own guess is about the internet.
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});
